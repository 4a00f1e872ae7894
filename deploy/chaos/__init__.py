"""The fault suite: a whole stack under load, broken at random moments, compared with the books.

plan       which fault comes when: pure, from a seed
proxy      stands between clients and a server, and breaks connections on demand
source     a simulated platform that keeps a book on disk and goes on after kill -9
unruly     a source that drops, repeats and reorders batches and whose clocks are wrong
inject     one function per kind of fault; a fault counts only when its effect was seen
recovery   from a fault to closed minutes being where they should be again
compare    the books against SQL, and flags against each other, after a round
round, run rounds one after the other; the JSON of the last line
"""
