//! Promises of the mesh: each file beside this folder is one, each test a sentence of it.
