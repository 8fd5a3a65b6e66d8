mod header;
mod pages;
