//! The manual page timeball.conf(5) and the plain help, both from the table of directives.
