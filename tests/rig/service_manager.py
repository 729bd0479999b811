#!/usr/bin/env python3
"""Stands in for systemd in a node made of namespaces: first process, services, watchdogs.

Knows just what the units of the stages use: Type=simple|notify|exec, ExecStartPre, ExecStart, ExecReload,
ExecStopPost, TimeoutStopSec (in seconds), User, EnvironmentFile, RuntimeDirectory, Restart, RestartSec,
WatchdogSec and WatchdogSignal. `systemctl` and `journalctl` in the node are this file, too.
"""

import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

CONTROL = "/run/systemd/stand-in.sock"
LOGS = "/var/log/units"
UNITS = "/etc/systemd/system"


def parse(name):
    """A unit file as key -> list of values; `\\` at the end of a line goes on in the next."""
    found = {}
    with open(f"{UNITS}/{name}") as file:
        text = file.read().replace("\\\n", " ")
    for line in text.splitlines():
        line = line.strip()
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def one(unit, key, default=""):
    return unit.get(key, [default])[-1]


class Service:
    def __init__(self, name):
        self.name = name
        self.unit = parse(name)
        self.process = None
        self.wanted = False
        self.ready = threading.Event()
        self.seen = time.monotonic()
        self.lock = threading.RLock()

    def log(self):
        os.makedirs(LOGS, exist_ok=True)
        return open(f"{LOGS}/{self.name}.log", "a")

    def environment(self):
        values = dict(os.environ, NOTIFY_SOCKET=f"/run/systemd/notify-{self.name}")
        for path in self.unit.get("EnvironmentFile", []):
            try:
                with open(path.lstrip("-")) as file:
                    values.update(line.strip().split("=", 1) for line in file if "=" in line)
            except FileNotFoundError:
                if not path.startswith("-"):
                    raise
        return values

    def run(self, key):
        for command in self.unit.get(key, []):
            pid = str(self.process.pid) if self.process else ""
            words = shlex.split(command.lstrip("-").replace("$MAINPID", pid))
            with self.log() as log:
                status = subprocess.run(words, stdout=log, stderr=log, env=self.environment()).returncode
            if status and not command.startswith("-"):
                return status
        return 0

    def demote(self):
        os.setsid()
        user = one(self.unit, "User")
        if user:
            entry = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)

    def start(self):
        with self.lock:
            self.unit = parse(self.name)
            self.wanted = True
            if self.process and self.process.poll() is None:
                return 0
            return self.launch()

    def launch(self):
        directory = one(self.unit, "RuntimeDirectory")
        if directory:
            os.makedirs(f"/run/{directory}", exist_ok=True)
        if self.run("ExecStartPre"):
            return 1
        self.listen()
        self.ready.clear()
        words = shlex.split(one(self.unit, "ExecStart"))
        with self.log() as log:
            self.process = subprocess.Popen(
                words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=self.environment(), preexec_fn=self.demote)
        self.seen = time.monotonic()
        threading.Thread(target=self.watch, args=(self.process,), daemon=True).start()
        if one(self.unit, "Type", "simple") == "notify":
            process = self.process
            while not self.ready.wait(0.1):
                if process.poll() is not None:
                    return 1
        return 0

    def listen(self):
        path = f"/run/systemd/notify-{self.name}"
        if os.path.exists(path):
            return
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(path)
        os.chmod(path, 0o777)

        def read():
            while True:
                text = notify.recv(4096).decode()
                if "READY=1" in text:
                    self.ready.set()
                if "WATCHDOG=1" in text:
                    self.seen = time.monotonic()
        threading.Thread(target=read, daemon=True).start()

    def watch(self, process):
        limit = float(one(self.unit, "WatchdogSec", "0"))
        while process.poll() is None:
            time.sleep(0.05)
            if limit and time.monotonic() - self.seen > limit:
                with self.log() as log:
                    log.write("watchdog timeout\n")
                process.send_signal(getattr(signal, one(self.unit, "WatchdogSignal", "SIGABRT")))
                process.wait()
        self.kill_session(process.pid)
        self.run("ExecStopPost")
        time.sleep(float(one(self.unit, "RestartSec", "0.1")))
        with self.lock:
            again = self.process is process and one(self.unit, "Restart") == "always"
            while again and self.wanted and self.launch():
                time.sleep(1)

    def members(self, session):
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.getsid(int(entry)) == session:
                    yield int(entry)
            except ProcessLookupError:
                pass

    def kill_session(self, session):
        for pid in self.members(session):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def stop(self):
        # Whoever waits for it to be ready holds the lock until it has ended.
        self.wanted = False
        self.end()
        with self.lock:
            self.end()
        return 0

    def end(self):
        process = self.process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(float(one(self.unit, "TimeoutStopSec", "90")))
            except subprocess.TimeoutExpired:
                process.kill()
            self.kill_session(process.pid)
            self.run("ExecStopPost")

    def reload(self):
        self.unit = parse(self.name)
        return self.run("ExecReload")

    def active(self):
        return self.process is not None and self.process.poll() is None


SERVICES = {}


def service(name):
    if name not in SERVICES:
        SERVICES[name] = Service(name)
    return SERVICES[name]


def handle(words):
    verbs = [word for word in words if not word.startswith("-")]
    verb, names = (verbs[0], verbs[1:]) if verbs else ("", [])
    status = 0
    for name in names:
        name = name if "." in name else f"{name}.service"
        if not os.path.exists(f"{UNITS}/{name}"):
            status = 5
            continue
        found = service(name)
        if verb == "start":
            status |= found.start()
        elif verb == "restart":
            status |= found.stop() or found.start()
        elif verb == "reload-or-restart":
            status |= found.reload() if found.active() else found.start()
        elif verb == "stop" or (verb == "disable" and "--now" in words):
            status |= found.stop()
        elif verb == "is-active":
            status |= 0 if found.active() else 3
    return status


def serve():
    os.makedirs("/run/systemd", exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(CONTROL)
    listener.listen(16)

    def answer(peer):
        words = shlex.split(peer.recv(65536).decode())
        peer.sendall(str(handle(words)).encode())
        peer.close()
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=answer, args=(peer,), daemon=True).start()


def show(names):
    for name in names:
        active = ask(["is-active", name]) == 0
        print(f"Id={name}\nActiveState={'active' if active else 'inactive'}\nUnitFileState=enabled\n")
    return 0


def systemctl(words):
    return show(words[3:]) if words[:2] == ["show", "-p"] else ask(words)


def ask(words):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(CONTROL)
    peer.sendall(shlex.join(words).encode())
    return int(peer.recv(64) or b"1")


def journalctl(words):
    for flag, name in zip(words, words[1:]):
        if flag == "-u":
            name = name if "." in name else f"{name}.service"
            subprocess.run(["tail", "-n", "30", f"{LOGS}/{name}.log"])
    return 0


if __name__ == "__main__":
    tool = os.path.basename(sys.argv[0])
    if tool == "systemctl":
        sys.exit(systemctl(sys.argv[1:]))
    if tool == "journalctl":
        sys.exit(journalctl(sys.argv[1:]))
    serve()
