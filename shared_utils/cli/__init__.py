"""The commands of ``rowhouse``. They read the mount table from the host app that they run in."""
