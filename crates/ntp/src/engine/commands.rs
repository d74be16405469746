//! State-changing commands.
