"""An operating-system simulation: tasks of several classes, packets in queues, a round-robin scheduler."""

import sys


class Packet:
    __slots__ = ("link", "owner", "kind", "datum", "data")

    def __init__(self, link, owner, kind):
        self.link = link
        self.owner = owner
        self.kind = kind
        self.datum = 0
        self.data = [0] * 4


class Task:
    def __init__(self, system, name, priority):
        self.system = system
        self.name = name
        self.priority = priority
        self.inbox = []
        self.runs = 0

    def ready(self):
        return bool(self.inbox)

    def step(self):
        self.runs += 1
        packet = self.inbox.pop(0)
        self.handle(packet)

    def send(self, name, packet):
        packet.owner = self
        self.system.tasks[name].inbox.append(packet)


class Idle(Task):
    def __init__(self, system, name, count):
        super().__init__(system, name, 0)
        self.state = 1
        self.count = count

    def ready(self):
        return self.count > 0

    def step(self):
        self.runs += 1
        self.count -= 1
        if self.state & 1:
            self.state = (self.state >> 1) ^ 0xD008
            target = "worker a"
        else:
            self.state >>= 1
            target = "worker b"
        self.send(target, Packet(None, self, "work"))


class Worker(Task):
    def handle(self, packet):
        if packet.kind != "work":
            self.system.finished += 1
            return
        for i in range(4):
            packet.datum += 1
            packet.data[i] = (packet.datum * 7 + self.runs) % 26
        for device in ("disk", "network"):
            request = Packet(packet, self, "read" if device == "disk" else "write")
            request.datum = sum(packet.data)
            self.send(device, request)


class Device(Task):
    def __init__(self, system, name, priority, latency):
        super().__init__(system, name, priority)
        self.latency = latency
        self.pending = []

    def handle(self, packet):
        self.pending.append((packet, packet.owner))
        if len(self.pending) > self.latency:
            done, owner = self.pending.pop(0)
            reply = Packet(done.link, self, "done")
            reply.datum = done.datum
            self.system.transferred += done.datum
            self.send(owner.name, reply)


class System:
    def __init__(self, count):
        self.finished = 0
        self.transferred = 0
        tasks = [Idle(self, "idle", count), Worker(self, "worker a", 10), Worker(self, "worker b", 11),
                 Device(self, "disk", 20, 5), Device(self, "network", 21, 3)]
        self.tasks = {task.name: task for task in tasks}
        self.order = sorted(tasks, key=lambda task: -task.priority)

    def run(self):
        while True:
            for task in self.order:
                if task.ready():
                    task.step()
                    break
            else:
                return


def main(scale):
    check = 0
    for turn in range(4):
        system = System(int(20000 * scale) + turn)
        system.run()
        check += system.finished + system.transferred + sum(task.runs for task in system.order)
    print(f"checksum task_scheduler {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
