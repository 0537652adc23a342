//! The promises that every source keeps (to be filled in).
