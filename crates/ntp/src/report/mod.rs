//! Reports: each field named once; wire, text, CSV and JSON are visitors.
