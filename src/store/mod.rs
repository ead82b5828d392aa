//! What USMT is: where stores live, which kind they are, their parts.
//!
//! Facts here come from the project's notes on USMT; those marked inferred are
//! said to be so where they are used, in code and in messages.
