"""The experiments of the papers, each as one command, and their claims.

`lab.py` is where a study works, `study.py` what one is, `claims/` what the papers claim and how a
verdict comes about; `jobs.py` and `executor.py` do the work. Each study is one file.
"""
