"""A package, so that its modules are not named after the folder `gateway`, which would hide the package of that name."""
