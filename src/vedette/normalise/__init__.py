"""Records of others (audit, journal, utmp, logind ...) -> our events. Pure: values in, values out."""
