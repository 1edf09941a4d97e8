//! The command as users meet it: run as a program, judged by exit code, words and files.

mod bad_images;
mod bad_patches;
mod codecs;
mod drawn;
mod good;
mod outputs;
mod signing;
mod simulate;
mod supply;
mod usage;
mod workbench;
