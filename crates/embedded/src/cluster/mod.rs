//! The typed host: objects in memory, the models run on events in virtual time.
