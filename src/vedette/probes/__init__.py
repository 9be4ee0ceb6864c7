"""eBPF programs that observe a Linux host, and what loads and reads them."""
