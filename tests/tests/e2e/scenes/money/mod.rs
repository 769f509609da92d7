//! Money as an integrator and the providers see it: calls with API keys on one side, pages, notifications and bad days on
//! the other. Each test ends with all books side by side.

mod comparing;
mod desk;
mod giving_back;
mod paying_in;
mod paying_out;
