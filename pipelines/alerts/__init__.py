"""From flag events to those who must know: Alertmanager and signed webhooks.

In the order in which an event goes:

1. `intake.py` reads the topic of flags;
2. `routing.py` says at which level and to whose desks an event goes;
3. `outbox.py` keeps event, deliveries and the position in the topic in one transaction, so that a
   kill at any moment loses nothing and an event is told under one id, however often it was read;
4. `deliver.py` posts it to webhooks until they take it, `notify.py` tells Alertmanager.
"""
