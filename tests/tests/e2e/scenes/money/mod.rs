//! Money as an integrator and the providers see it: calls with API keys on one side, pages, notifications and bad days on
//! the other. Each test ends with all books side by side.

mod paying_in;
