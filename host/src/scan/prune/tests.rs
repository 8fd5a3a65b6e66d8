//! Interval tests, case by case.
