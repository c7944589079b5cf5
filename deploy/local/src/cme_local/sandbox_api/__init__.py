"""The sandbox: the five services a second time, in one process, with made-up data, for partners to try things out."""
