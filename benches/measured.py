"""Runs a command; prints seconds, seconds of processor, and MiB of memory: the peaks of all its
processes, the largest of them.
"""
import resource
import subprocess
import sys
import time

start = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
took = time.monotonic() - start
if done.returncode not in (0, 3):
    sys.exit(done.stderr.decode(errors="replace"))
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{took:.2f} {use.ru_utime + use.ru_stime:.2f} {use.ru_maxrss // 1024}")
