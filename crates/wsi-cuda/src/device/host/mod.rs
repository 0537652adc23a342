//! Host.
mod fibers;
mod launch;
mod library;
mod memory;
