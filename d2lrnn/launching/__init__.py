"""A job of several processes: started, watched, and ended as a whole. No module here knows what is trained.

job         what is to run, and where: the hosts of a file
launch      starts a job, and starts it again from the last checkpoint
supervisor  one start of a job: finds the culprit when it cannot continue
process     a process of the job as the launcher sees it, at the other end of a link
agent       beside each process, on its machine: starts it, reports on it, and ends it in any case
console     the one that prints: lines of all processes, and a bar
watchdog    in a worker: notices that the job is stuck
"""
