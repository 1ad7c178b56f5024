//! Whatever happens to an export, its files hold every flow once, or say that it is missing.
