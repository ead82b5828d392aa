/* Stands in for Microsoft's loadstate.exe in tests: writes down its arguments,
   keeps a progress log as the documentation says, ends as it was told to.
   Beside it lie: code.txt, the return code; utf16.txt, where the log is UTF-16;
   said.txt, a command line to say in the log and on the screen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static char here[MAX_PATH];
static FILE *progress_log;
static int is_wide;

static FILE *beside(const char *name, const char *mode)
{
    char path[2 * MAX_PATH];
    snprintf(path, sizeof path, "%s%s", here, name);
    return fopen(path, mode);
}

static void put(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            fputc('\r', progress_log);
            if (is_wide) fputc(0, progress_log);
        }
        fputc(*text, progress_log);
        if (is_wide) fputc(0, progress_log);
    }
}

static void say(const char *pairs)
{
    if (!progress_log) return;
    put("22 Nov 2026, 13:49:13 -08:00, 00:00:20, ");
    put(pairs);
    put("\n");
    fflush(progress_log);
    Sleep(300);
}

int main(int count, char **words)
{
    int code = 0;
    FILE *file;
    GetModuleFileNameA(NULL, here, sizeof here);
    *(strrchr(here, '\\') + 1) = 0;
    file = beside("arguments.txt", "wb");
    for (int i = 1; i < count; i++) fprintf(file, "%s\n", words[i]);
    fclose(file);
    if ((file = beside("code.txt", "r"))) {
        if (fscanf(file, "%d", &code) != 1) code = 99;
        fclose(file);
    }
    if ((file = beside("utf16.txt", "r"))) {
        is_wide = 1;
        fclose(file);
    }
    for (int i = 1; i < count; i++)
        if (!strncmp(words[i], "/progress:", 10)) progress_log = fopen(words[i] + 10, "wb");
    if (progress_log && is_wide) fwrite("\xff\xfe", 1, 2, progress_log);
    say("program, LoadState.exe, productVersion, 10.0.22621.1");
    say("PHASE, Initializing");
    say("PHASE, Applying");
    say("forUser, PC\\alice");
    say("totalPercentageCompleted, 40");
    if (code) say("error, UnableToApply, objectName, C:\\Users\\alice\\a, b.txt, action, Ignore");
    say("totalPercentageCompleted, 100");
    if ((file = beside("said.txt", "r"))) {
        char line[1000] = "", pair[1100];
        if (fgets(line, sizeof line, file)) printf("Command line: %s\n", line);
        fclose(file);
        snprintf(pair, sizeof pair, "commandLine, %s", line);
        say(pair);
    }
    printf("the last line on the screen\n");
    return code;
}
