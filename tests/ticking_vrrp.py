"""A plain VRRP segment: every advert is an event, all in whole microseconds, after keepalived's source line by line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.machines.vrrp_settings import VrrpSettings

S = 1_000_000


@dataclass
class Daemon:
    """One keepalived instance, with the names its source has for things."""

    settings: VrrpSettings
    world: Segment
    state: str = "STOP"
    effective_priority: int = 0
    sands: int | None = None
    armed: int = 0  # order in which timers were set
    ms_down_timer: int = 0
    master_adver_int: int = 0
    preempt_time: int | None = None
    delayed_start: int = 0
    known: dict[str, bool | None] = field(default_factory=dict)
    untried: bool = True
    rounds: list[tuple[int, int]] = field(default_factory=list)
    refresh_timer: int = 0
    refresh_threads: list[int] = field(default_factory=list)
    frozen: bool = False
    inbox: list[tuple] = field(default_factory=list)

    @property
    def name(self) -> int:
        """Its address."""
        return self.settings.source

    def log(self, *what: object) -> None:
        """Note what can be seen."""
        self.world.log.append((self.world.now, self.name, *what))

    def send(self, priority: int) -> None:
        """vrrp_send_adv."""
        self.log("advert", priority)
        self.world.flying.append((self.name, priority, self.settings.advert_us))

    # -- timers -----------------------------------------------------------------------------------

    def skew(self) -> int:
        """VRRP_TIMER_SKEW."""
        missing = 256 - self.effective_priority
        if self.settings.version == 3:
            return missing * (self.master_adver_int // 10_000) * 625 // 16
        return missing * S // 256

    def down_timer(self) -> int:
        """VRRP_MS_DOWN_TIMER."""
        return self.settings.down_timer_adverts * self.master_adver_int + self.skew()

    def set_sands(self) -> None:
        """vrrp_init_instance_sands."""
        now = self.world.now
        if self.state == "MASTER":
            self.sands = now + self.settings.advert_us
        elif self.state == "BACKUP":
            self.sands = max(now, self.delayed_start) + self.ms_down_timer
        else:
            self.sands = None
        self.world.armed += 1
        self.armed = self.world.armed

    def timer(self) -> None:
        """vrrp_dispatcher_read_timeout."""
        if self.state == "BACKUP":
            self.goto_master()
        else:
            self.master_tx()
        self.set_sands()

    def goto_master(self) -> None:
        """vrrp_state_goto_master."""
        self.state = "MASTER"
        self.send(self.effective_priority)
        self.log("MASTER")
        self.log("addresses", 1)
        settings, now = self.settings, self.world.now
        self.garps(settings.garp_packets, settings.garp_delay_s)
        if settings.garp_refresh_s:
            refresh = round(settings.garp_refresh_s * S)
            if settings.release >= (2, 3, 2):
                self.refresh_threads.append(now + round(settings.garp_delay_s * S) + refresh)
            else:
                self.refresh_timer = now + refresh

    def master_tx(self) -> None:
        """vrrp_state_master_tx."""
        self.send(self.effective_priority)
        settings, now = self.settings, self.world.now
        if settings.garp_refresh_s and settings.release < (2, 3, 2) and now >= self.refresh_timer:
            self.log("garp", self.settings.garp_refresh_packets)
            self.refresh_timer = now + round(settings.garp_refresh_s * S)

    def garps(self, packets: int, delay_s: float) -> None:
        """GARPs now and later."""
        if packets:
            self.log("garp", packets)
            if delay_s:
                self.rounds.append((self.world.now + round(delay_s * S), packets))

    def others(self) -> None:
        """Second rounds and refresh threads, which say nothing without addresses."""
        now = self.world.now
        for at, packets in self.rounds:
            if at <= now and self.state == "MASTER":
                self.log("garp", packets)
        self.rounds = [waiting for waiting in self.rounds if waiting[0] > now]
        for index, at in enumerate(self.refresh_threads):
            if at <= now:
                if self.state == "MASTER":
                    self.log("garp", self.settings.garp_refresh_packets)
                self.refresh_threads[index] = now + round(self.settings.garp_refresh_s * S)

    # -- adverts ----------------------------------------------------------------------------------

    def hear(self, source: int, priority: int, interval: int) -> None:
        """vrrp_dispatcher_read."""
        if self.frozen:
            advert = ("hear", source, priority, interval)
            if advert in self.inbox:
                self.inbox.remove(advert)
            self.inbox.append(advert)
            return
        if self.state not in {"BACKUP", "MASTER"}:
            return
        release = self.settings.release
        if self.world.now <= self.delayed_start and not (2, 2, 0) <= release <= (2, 2, 7):
            return
        if self.state == "BACKUP":
            self.backup(priority, interval)
        elif self.master_rx(source, priority, interval):
            self.leave_master("BACKUP", tell=False)
        self.set_sands()
        if self.state == "MASTER":
            assert self.sands is not None
            self.sands += 1  # the microsecond that an advert takes to arrive

    def backup(self, priority: int, interval: int) -> None:
        """vrrp_state_backup."""
        settings, now = self.settings, self.world.now
        if priority == 0:
            self.ms_down_timer = self.skew()
        elif (
            not settings.preempt
            or priority >= self.effective_priority
            or (settings.preempt_delay_us and (self.preempt_time is None or self.preempt_time > now))
        ):
            if settings.version == 3:
                self.master_adver_int = interval
            self.ms_down_timer = self.down_timer()
            if settings.preempt_delay_us:
                if priority >= self.effective_priority:
                    self.preempt_time = None
                elif self.preempt_time is None:
                    self.preempt_time = now + settings.preempt_delay_us
        else:
            assert self.sands is not None
            self.ms_down_timer = max(self.sands - now, 0)

    def master_rx(self, source: int, priority: int, interval: int) -> bool:
        """vrrp_state_master_rx: whether it yields."""
        settings = self.settings
        if priority == 0:
            self.send(self.effective_priority)
            return False
        if (priority, source) < (self.effective_priority, settings.source):
            self.send(self.effective_priority)
            self.garps(settings.garp_lower_packets, settings.garp_lower_delay_s)
            return False
        if settings.version == 3:
            self.master_adver_int = interval
        return True

    def leave_master(self, wanted: str, *, tell: bool) -> None:
        """vrrp_state_leave_master."""
        if wanted == "BACKUP":
            self.preempt_time = None
            if self.settings.release < (2, 2, 0):
                self.master_adver_int = self.settings.advert_us
        if tell:
            self.send(0)
        self.log("addresses", 0)
        self.state = wanted
        self.log(wanted)
        self.ms_down_timer = self.down_timer()
        self.set_sands()

    # -- what happens to it -----------------------------------------------------------------------

    def command(self, what: str, *arguments: object) -> None:
        """Something happens to it."""
        if self.frozen and what != "thaw":
            if what != "freeze":
                self.inbox.append((what, *arguments))
        else:
            getattr(self, what)(*arguments)

    def start(self, known: dict[str, bool], left_over: bool) -> None:  # noqa: FBT001 - as commands come
        """vrrp_init_state."""
        self.__init__(self.settings, self.world)  # type: ignore[misc]
        self.known = {name: known.get(name) for name in self.settings.weights}
        self.effective_priority = self.settings.priority
        self.priority_of_weights()
        self.master_adver_int = self.settings.advert_us
        self.delayed_start = self.world.now + self.settings.startup_delay_us if self.settings.startup_delay_us else -1
        if left_over:
            self.log("addresses", 0)
        self.state = self.allowed()
        if self.state == "BACKUP":
            self.rise()
        else:
            self.untried = self.state == "INIT"
            self.log(self.state)

    def allowed(self) -> str:
        """What things with weight 0 allow."""
        zero = [self.known[name] for name, weight in self.settings.weights.items() if weight == 0]
        return "FAULT" if False in zero else "INIT" if None in zero else "BACKUP"

    def rise(self) -> None:
        """try_up_instance."""
        self.state, self.preempt_time, self.master_adver_int = "BACKUP", None, self.settings.advert_us
        if self.settings.owner and self.untried:
            self.ms_down_timer = 1
        else:
            self.log("BACKUP")
            self.ms_down_timer = self.down_timer()
        self.untried = False
        self.set_sands()

    def tracked(self, name: str, ok: bool) -> None:  # noqa: FBT001 - as commands come
        """process_script_update_priority."""
        before, self.known[name] = self.known.get(name), ok
        if before == ok or self.state == "STOP":
            return
        if self.settings.weights[name]:
            self.priority_of_weights()
        elif not ok:
            self.untried = False
            if self.state == "MASTER":
                self.leave_master("FAULT", tell=True)
            elif self.state != "FAULT":
                self.state = "FAULT"
                self.log("FAULT")
                self.set_sands()
        elif self.allowed() == "BACKUP":
            self.rise()

    def priority_of_weights(self) -> None:
        """vrrp_set_effective_priority."""
        if self.settings.priority == 255:
            return
        total = self.settings.priority
        for name, weight in self.settings.weights.items():
            if weight > 0 and self.known[name] is True:
                total += weight
            if weight < 0 and self.known[name] is False:
                total += weight
        total = max(1, min(254, total))
        if total == self.effective_priority:
            return
        self.effective_priority = total
        old = self.ms_down_timer
        self.ms_down_timer = self.down_timer()
        if self.state == "BACKUP":
            assert self.sands is not None
            self.sands += self.ms_down_timer - old

    def stop(self) -> None:
        """vrrp_terminate_phase1."""
        if self.state == "MASTER":
            self.send(0)
            self.log("addresses", 0)
        if self.state != "STOP":
            self.log("STOP")
        self.state = "STOP"
        self.set_sands()

    def deleted(self) -> None:
        """set_vrrp_backup."""
        if self.state == "MASTER":
            self.leave_master("BACKUP", tell=True)
            self.ms_down_timer = self.skew()
            self.set_sands()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if not self.frozen:
            return
        self.frozen = False
        was_master = self.state == "MASTER"
        inbox, self.inbox = self.inbox, []
        for what, *arguments in inbox:
            getattr(self, what)(*arguments)
        if was_master and self.state == "MASTER" and self.sands is not None and self.sands <= self.world.now:
            self.master_tx()
            self.set_sands()

    def overdue(self, now: int) -> bool:
        """Whether GARPs are due."""
        return any(at <= now for at in [*self.refresh_threads, *(at for at, _ in self.rounds)])

    def kill(self) -> None:
        """SIGKILL."""
        self.__init__(self.settings, self.world)  # type: ignore[misc]

    def next(self) -> int | None:
        """When its next timer is."""
        if self.frozen or self.state == "STOP":
            return None
        found = [at for at, _ in self.rounds] + self.refresh_threads
        if self.sands is not None:
            found.append(self.sands)
        return max(min(found), self.world.now) if found else None


class Segment:
    """Daemons, and who can reach whom."""

    def __init__(self, settings: list[VrrpSettings]) -> None:
        self.now = 0
        self.armed = 0
        self.tied = False
        """Whether two timers, or a timer and a command, met in one instant: who is first then is a race."""
        self.log: list[tuple] = []
        self.flying: list[tuple[int, int, int]] = []
        self.cut: set[tuple[int, int]] = set()
        self.daemons = {each.source: Daemon(each, self) for each in settings}

    def deliver(self) -> None:
        """Let adverts arrive."""
        while self.flying:
            source, priority, interval = self.flying.pop(0)
            for name, daemon in self.daemons.items():
                if name != source and (source, name) not in self.cut:
                    daemon.hear(source, priority, interval)

    def run(self, until: int) -> None:
        """Let everything up to *until* happen; at that instant itself only the adverts of masters."""
        while True:
            waiting = [(at, each) for each in self.daemons.values() if (at := each.next()) is not None and at <= until]
            if not waiting:
                break
            at = min(at for at, _ in waiting)
            now = [each for when, each in waiting if when == at]
            self.tied |= at == until or sum(each.sands == at for each in now) > 1
            repeating = [each for each in now if each.overdue(at)]
            speaking = [each for each in now if each.state == "MASTER" and each.sands is not None and each.sands <= at]
            if at == until and not repeating and not speaking:
                break
            self.now = at
            if repeating:
                for each in repeating:
                    each.others()
            elif speaking:
                first = min(speaking, key=lambda each: each.armed)
                first.set_sands()
                first.master_tx()
            else:
                now[0].timer()
            self.deliver()
        self.now = until

    def command(self, at: int, name: int, what: str, *arguments: object) -> None:
        """Bring the world to an instant, and let something happen there."""
        self.run(at)
        if what in {"cut", "heal"}:
            for pair in arguments:
                (self.cut.add if what == "cut" else self.cut.discard)(pair)  # type: ignore[arg-type]
        else:
            self.daemons[name].command(what, *arguments)
        self.deliver()
