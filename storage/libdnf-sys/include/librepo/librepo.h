/* libdnf's headers include librepo's, which Debian's libdnf-dev does not depend on. Only these two
 * names of it occur there, both behind pointers; what we call of librepo is declared in
 * src/librepo.rs. This directory stands last in the include path, so a real header wins. */
#pragma once
typedef struct _LrHandle LrHandle;
typedef struct _LrResult LrResult;
