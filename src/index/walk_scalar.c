/* walk_scalar.c - walks in plain C. */
#include "index/walk_body.h"

const struct walks walks_scalar = WALKS;
