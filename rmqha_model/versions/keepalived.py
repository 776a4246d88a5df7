"""What releases of keepalived can do.

Sources are the keywords that ``install_keyword`` registers in ``keepalived/`` and ``lib/`` of acassen/keepalived, at
each tag from v2.1.0 to v2.3.4. "Seen on" means that ``keepalived -t`` of Debian's package of that version was asked:
2.1.5, 2.2.7, 2.3.3, 2.3.4. Where both are named, they agree.
"""

from __future__ import annotations

from rmqha_model.versions.feature import Feature, feature

__all__ = ["KEEPALIVED"]

_EVERYWHERE = """
    accept advert_int authentication check_unicast_src dont_track_primary dynamic_interfaces enable_script_security
    garp_lower_prio_delay garp_lower_prio_repeat garp_master_delay garp_master_refresh garp_master_refresh_repeat
    garp_master_repeat higher_prio_send_advert init_fail log_unknown_vrids max_auto_priority mcast_src_ip nopreempt
    notify_fifo preempt_delay process_monitor_rcv_bufs router_id script_user track_file track_interface track_process
    track_script unicast_peer unicast_src_ip use_vmac version virtual_ipaddress_excluded virtual_routes vmac_xmit_base
    vrrp_check_unicast_src vrrp_garp_interval vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat
    vrrp_garp_master_delay vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat vrrp_garp_master_repeat
    vrrp_gna_interval vrrp_min_garp vrrp_no_swap vrrp_notify_fifo vrrp_rt_priority vrrp_script
    vrrp_skip_check_adv_addr vrrp_startup_delay vrrp_strict vrrp_sync_group vrrp_track_process vrrp_version
"""

_SOME = (
    # keyword, first release, what to do without it
    ("disable_local_igmp", "2.2", "leave it out"),
    ("reload_check_config", "2.2", "run keepalived -t before each reload"),
    ("tmp_config_directory", "2.2", "leave it out"),
    ("use_vmac_addr", "2.2", "leave it out"),
    ("down_timer_adverts", "2.2.3", "leave it out: three adverts missed are a lost master"),
    ("vrrp_down_timer_adverts", "2.2.3", "leave it out: three adverts missed are a lost master"),
    ("interface_up_down_delays", "2.2.3", "leave it out: a link counts as soon as it changes"),
    ("garp_extra_if", "2.2.3", "leave it out"),
    ("mcast_dst_ip", "2.2.5", "use vrrp_mcast_group4 or vrrp_mcast_group6, for all instances"),
    ("unicast_fault_no_peer", "2.2.5", "leave it out: without peers adverts are multicast"),
    ("fifo_write_vrrp_states_on_reload", "2.2.5", "leave it out"),
    ("no_virtual_ipaddress", "2.2.8", "leave it out"),
    ("timer_expired_backup", "2.2.8", "leave it out"),
    ("use_symlink_paths", "2.3", "leave it out"),
    ("owner_ignore_adverts", "2.3.3", "leave it out"),
    ("state_dump_file", "2.3.3", "leave it out"),
)

_PROGRAM = (
    feature(
        "keepalived.config_test_status",
        "an exit status of keepalived -t that tells good from bad",
        "2.2",
        "lib/parser.c: up to v2.1.5 init_data forgets what the parser before it found; seen on 2.1.5: 0 for an unknown "
        "keyword, on 2.2.7 and newer 5",
        instead="read what it writes: silence is good",
    ),
    feature(
        "keepalived.script_path_through_links",
        "scripts whose path goes through a symbolic link",
        "2.1",
        "lib/notify.c, written anew in v2.3.0; seen on 2.3.3: /bin/true is 'insecure', /usr/bin/true is not; on 2.2.7 "
        "both are fine",
        until="2.2",
        instead="name the script by its real path",
    ),
)


def _keyword(name: str, since: str, instead: str = "") -> Feature:
    return feature(f"keepalived.{name}", name, since, f"install_keyword, v{since}", instead=instead)


KEEPALIVED: tuple[Feature, ...] = (
    *(_keyword(name, "2.1") for name in _EVERYWHERE.split()),
    *(_keyword(name, since, instead) for name, since, instead in _SOME),
    *_PROGRAM,
)
"""Keywords of keepalived.conf, and how the program goes about them."""
