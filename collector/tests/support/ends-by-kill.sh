#!/bin/sh
# Ends as a program that somebody kills while it opens a store.
kill -KILL $$
