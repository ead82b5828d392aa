/* Stands in for scanstate.exe: writes its arguments beside itself, moves the folder
   `prepared` beside itself to the store's place, keeps a log, and returns the number in
   code.txt. Beside it lies nolog.txt where it shall keep none. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(int argc, char **argv) {
    char folder[MAX_PATH], path[MAX_PATH];
    FILE *file;
    int at, code = 0;
    GetModuleFileNameA(NULL, folder, sizeof folder);
    *strrchr(folder, '\\') = 0;
    snprintf(path, sizeof path, "%s\\arguments.txt", folder);
    file = fopen(path, "w");
    if (!file || argc < 2) return 11;
    for (at = 1; at < argc; at++) fprintf(file, "%s\n", argv[at]);
    fclose(file);
    snprintf(path, sizeof path, "%s\\prepared", folder);
    MoveFileA(path, argv[1]);
    snprintf(path, sizeof path, "%s\\nolog.txt", folder);
    for (at = 1; at < argc; at++)
        if (!strncmp(argv[at], "/l:", 3) && GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES) {
            file = fopen(argv[at] + 3, "a");
            if (!file) return 12;
            fprintf(file, "a log of scanstate\n");
            fclose(file);
        }
    snprintf(path, sizeof path, "%s\\code.txt", folder);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d", &code) != 1) code = 11;
        fclose(file);
    }
    return code;
}
