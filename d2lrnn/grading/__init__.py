"""Grading untrusted files. No submission is ever run in the grader's own process.

wire            plain values to bytes and back: all that passes between the grader and a worker
sandbox         what a worker gives up
seccomp         the system calls that it may still make, as a program for the kernel
worker          the untrusted side: sandboxes itself, forks for each call, runs submission and driver there
loading         how mxnet is loaded, on both sides, in two thirds of the time
jail            the trusted side of a worker: start, ask, watch, kill
case            a case, the comparison of an answer with the right one, the words for what went wrong
drivers         what the grader itself asks a worker, beside the cases
lent_code       the reference code that a graded function depends on, without the function itself
cases           the cases of each lesson
mistakes        common mistakes, a file for each: the words for it, and how its answers give it away
archives        files in folders and zips of strangers, within a budget for each student
platforms       whose a file is, in the exports of learning platforms
submissions     files, notebooks, folders and zips -> named sources
cutting         a submission without what people leave beside their functions: training, prints, commands
marking         one submission x cases x jail -> marks
tables          .csv files, from and for spreadsheets
roster          who is in the course, who is missing, and what learning platforms import
policy          late work, extensions, and adjustments by hand
outcomes        what came of each attempt, stored
pool            the processes that mark a class
similarity      submissions that resemble each other or our own code, for a person to judge
report          marks -> terminal table, grades.csv, feedback.html, results.json
class_page      marks -> class.html, with plots
results         the folder of a class: seed, points, outcomes, reports
gradescope      the same grading as an autograder for Gradescope
skeleton        the lessons' signatures and docstrings for a student to fill
"""
