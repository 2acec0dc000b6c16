/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what is wrong to what mends it: one row for each fault. Words in braces stand for what differs from
 * host to host: replacement() has them. */

#include "guestbusctl/advice.h"

#include <string.h>

#define RULES "sudo grep -rs org.guestbus1 /etc/polkit-1/rules.d"
#define JOIN  "sudo usermod --append --groups libvirt {account}  # then log in again"
#define LOG   "{journalctl} --unit guestbusd --no-pager --lines 20"
#define TRY   "virsh --connect {uri} version"

/* What stands before the path in libvirt's errors. */
#define SOCKET "socket to '"

/* The oldest libvirt with all that the service asks it for: that of its build. */
#define OLDEST_LIBVIRT 9000000

static const struct Row {
        const char *word;
        gboolean note;
        const char *text; /* the cause follows, if there is one */
        const char *commands[3];
} rows[N_FAULTS] = {
        [FAULT_BUS] = {"bus", FALSE, "the bus cannot be reached", {"{reach}"}},
        [FAULT_NOT_INSTALLED] =
                {"not-installed",
                 FALSE,
                 "the service is not running, and the bus has no file to start org.guestbus1 by: it is "
                 "not installed",
                 {"sudo apt install guestbus"}},
        [FAULT_NOT_STARTED] = {"not-started",
                               FALSE,
                               "the service is installed, but does not start",
                               {"{systemctl} status guestbusd", LOG}},
        [FAULT_SILENT] = {"silent",
                          FALSE,
                          "the service does not answer",
                          {LOG, "{control} restart guestbusd"}},
        [FAULT_POLICY] = {"policy",
                          FALSE,
                          "the policy of the bus does not let {account} call the service",
                          {"sudo systemctl reload dbus  # if the service was installed just now", JOIN}},
        [FAULT_NAME_TAKEN] = {"name-taken",
                              FALSE,
                              "the name org.libvirt is owned by another program, such as libvirt-dbus",
                              {"{control} disable --now libvirt-dbus"}},
        [FAULT_NAME_FREE] =
                {"name-free",
                 FALSE,
                 "the service does not own the name org.libvirt: the policy of the bus refuses it",
                 {LOG, "sudo apt install --reinstall guestbus && sudo systemctl reload dbus"}},
        [FAULT_MONITOR_REFUSED] = {"monitor-refused",
                                   FALSE,
                                   "polkit does not let {account} see guests",
                                   {RULES}},
        [FAULT_MONITOR_PASSWORD] = {"monitor-password",
                                    FALSE,
                                    "polkit wants a password before {account} may see guests",
                                    {RULES}},
        [FAULT_MANAGE_REFUSED] = {"manage-refused",
                                  FALSE,
                                  "polkit does not let {account} manage guests",
                                  {JOIN, RULES}},
        [FAULT_MANAGE_PASSWORD] =
                {"manage-password",
                 TRUE,
                 "polkit wants a password before {account} may manage guests; members of the group "
                 "libvirt need none",
                 {JOIN}},
        [FAULT_POLKIT_ABSENT] = {"polkit-absent",
                                 FALSE,
                                 "the service cannot ask polkit what {account} may do: it is not installed",
                                 {"sudo apt install polkitd"}},
        [FAULT_POLKIT_FAILED] = {"polkit-failed",
                                 FALSE,
                                 "the service cannot ask polkit what {account} may do: it does not run",
                                 {"sudo systemctl restart polkit", "systemctl status polkit"}},
        [FAULT_IDENTITY] = {"identity",
                            FALSE,
                            "the service cannot tell libvirt who calls",
                            {LOG, "man guestbusd  # Callers that libvirt knows"}},
        [FAULT_SERVICE] = {"service", FALSE, "the service refuses to answer", {LOG}},
        [FAULT_SOCKET_ABSENT] = {"socket-absent", FALSE, "libvirt's socket is not there", {"{listen}"}},
        [FAULT_SOCKET_DENIED] = {"socket-denied",
                                 FALSE,
                                 "the service may not open libvirt's socket",
                                 {"{admit}"}},
        [FAULT_SOCKET_DEAD] = {"socket-dead", FALSE, "no program listens at libvirt's socket", {"{listen}"}},
        [FAULT_HYPERVISOR_ABSENT] = {"hypervisor-absent", TRUE, "not on this host", {NULL}},
        [FAULT_NO_HYPERVISOR] = {"no-hypervisor",
                                 FALSE,
                                 "libvirt has the driver of no hypervisor",
                                 {"sudo apt install libvirt-daemon-system qemu-system"}},
        [FAULT_CONNECTION] = {"connection", FALSE, "not connected", {TRY}},
        [FAULT_LIBVIRT_SILENT] = {"libvirt-silent", FALSE, "libvirt does not answer", {"{restart}"}},
        [FAULT_STALE] = {"stale",
                         FALSE,
                         "libvirt does not answer about some objects, whose state is the last one known",
                         {TRY, LOG}},
        [FAULT_OLD_LIBVIRT] = {"old-libvirt",
                               FALSE,
                               "libvirt is older than 9.0.0: members and events are missing",
                               {"sudo apt install --only-upgrade libvirt-daemon"}},
        [FAULT_NO_EVENTS] = {"no-events",
                             TRUE,
                             "the driver has no events; the service looks for changes every few seconds",
                             {NULL}},
};

gboolean is_old_libvirt(guint64 version)
{
        return version < OLDEST_LIBVIRT;
}

Fault fault_of_connection(const char *error)
{
        static const struct {
                const char *words;
                Fault fault;
        } meanings[] = {
                {"No such file or directory", FAULT_SOCKET_ABSENT},
                {"Permission denied", FAULT_SOCKET_DENIED},
                {"authentication unavailable", FAULT_SOCKET_DENIED},
                {"authentication failed", FAULT_SOCKET_DENIED},
                {"access denied", FAULT_SOCKET_DENIED},
                {"Connection refused", FAULT_SOCKET_DEAD},
                {"cannot be told who calls", FAULT_IDENTITY},
                {"no connection driver available", FAULT_HYPERVISOR_ABSENT},
                {"was built without the", FAULT_HYPERVISOR_ABSENT},
                {"OpenVZ control file", FAULT_HYPERVISOR_ABSENT},
                {"vmrun utility is missing", FAULT_HYPERVISOR_ABSENT},
                {"does not answer", FAULT_LIBVIRT_SILENT},
                {"keepalive", FAULT_LIBVIRT_SILENT},
        };
        gboolean socket = strstr(error, SOCKET) != NULL;

        for (gsize i = 0; i < G_N_ELEMENTS(meanings); i++)
                if (strstr(error, meanings[i].words) &&
                    (socket ||
                     (meanings[i].fault != FAULT_SOCKET_ABSENT && meanings[i].fault != FAULT_SOCKET_DEAD)))
                        return meanings[i].fault;

        return FAULT_CONNECTION;
}

/* The socket that an error of libvirt's names: "Failed to connect socket to '/run/libvirt/virtqemud-sock':
 * ..." */
static char *socket_of(const char *error)
{
        const char *begin = strstr(error, SOCKET);
        const char *end;

        if (!begin)
                return NULL;

        begin += strlen(SOCKET);
        end = strchr(begin, '\'');
        return end ? g_strndup(begin, (gsize)(end - begin)) : NULL;
}

char *unit_of_error(const char *error)
{
        g_autofree char *socket = socket_of(error);
        g_autofree char *name = NULL;
        char *end;

        if (!socket ||
            (!g_str_has_prefix(socket, "/run/libvirt/") && !g_str_has_prefix(socket, "/var/run/libvirt/")))
                return NULL;

        name = g_path_get_basename(socket);
        end = strstr(name, "-sock");
        if (!end)
                return NULL;

        *end = '\0';
        return g_strconcat(g_str_equal(name, "libvirt") ? "libvirtd" : name,
                           g_str_has_suffix(socket, "-ro") ? "-ro" : "", NULL);
}

/* What brings a bus back, or says why it cannot. */
static char *reach(const Site *site)
{
        g_autofree char *address = site->address ? g_shell_quote(site->address) : NULL;

        return address ? g_strdup_printf("busctl --address=%s list", address)
                       : g_strdup_printf("%s start dbus.socket",
                                         site->user ? "systemctl --user" : "sudo systemctl");
}

/* A libvirt of a user's is started by whatever connects to it. */
static char *listen_command(const Finding *finding, const char *uri)
{
        g_autofree char *unit = unit_of_error(finding->cause ? finding->cause : "");

        return unit ? g_strdup_printf("sudo systemctl enable --now %s.socket", unit)
                    : g_strdup_printf("virsh --connect %s version", uri);
}

/* Remote libvirts and those of users have no unit here. */
static char *restart_command(const Finding *finding, const Site *site, const char *uri)
{
        static const char *const drivers[] = {"qemu", "lxc", "xen", "vbox", "bhyve", NULL};
        g_autofree char *scheme = finding->uri ? g_uri_parse_scheme(finding->uri) : NULL;

        if (!site->user && scheme && g_str_has_prefix(finding->uri + strlen(scheme), ":///") &&
            g_strv_contains(drivers, scheme))
                return g_strdup_printf("sudo systemctl try-restart libvirtd virt%sd", scheme);

        return g_strdup_printf("virsh --connect %s version", uri);
}

/* For a shell: most URIs need no quotes, those that have a "?" or an "&" do. */
static char *quote(const char *uri)
{
        return strspn(uri, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ":/+@._-") == strlen(uri)
                       ? g_strdup(uri)
                       : g_shell_quote(uri);
}

static char *replacement(const char *word, const Finding *finding, const Site *site)
{
        g_autofree char *quoted = quote(finding->uri ? finding->uri : "");

        if (g_str_equal(word, "account"))
                return g_strdup(site->account);
        if (g_str_equal(word, "uri"))
                return g_steal_pointer(&quoted);
        if (g_str_equal(word, "systemctl"))
                return g_strdup(site->user ? "systemctl --user" : "systemctl");
        if (g_str_equal(word, "control"))
                return g_strdup(site->user ? "systemctl --user" : "sudo systemctl");
        if (g_str_equal(word, "journalctl"))
                return g_strdup(site->user ? "journalctl --user" : "sudo journalctl");
        if (g_str_equal(word, "reach"))
                return reach(site);
        if (g_str_equal(word, "listen"))
                return listen_command(finding, quoted);
        if (g_str_equal(word, "restart"))
                return restart_command(finding, site, quoted);
        if (g_str_equal(word, "admit"))
                return g_strdup_printf("sudo usermod --append --groups libvirt %s%s",
                                       site->user ? site->account : "guestbus",
                                       site->user ? "  # then log in again"
                                                  : " && sudo systemctl restart guestbusd");
        g_assert_not_reached();
}

static char *fill(const char *template, const Finding *finding, const Site *site)
{
        GString *text = g_string_new(NULL);
        const char *at = template;

        for (const char *open = strchr(at, '{'); open; open = strchr(at, '{')) {
                const char *close = strchr(open, '}');
                g_autofree char *word = g_strndup(open + 1, (gsize)(close - open) - 1);
                g_autofree char *value = replacement(word, finding, site);

                g_string_append_len(text, at, open - at);
                g_string_append(text, value);
                at = close + 1;
        }
        g_string_append(text, at);
        return g_string_free(text, FALSE);
}

Advice *advice_new(const Finding *finding, const Site *site)
{
        const struct Row *row = &rows[finding->fault];
        g_autofree char *text = fill(row->text, finding, site);
        Advice *advice = g_new0(Advice, 1);
        gsize n = 0;

        advice->fault = finding->fault;
        advice->word = row->word;
        advice->note = row->note;
        advice->connections = g_strdup(finding->connection);
        advice->text = finding->cause && *finding->cause ? g_strdup_printf("%s: %s", text, finding->cause)
                                                         : g_strdup(text);
        advice->commands = g_new0(char *, G_N_ELEMENTS(row->commands) + 1);
        while (n < G_N_ELEMENTS(row->commands) && row->commands[n]) {
                advice->commands[n] = fill(row->commands[n], finding, site);
                n++;
        }
        return advice;
}

void advice_free(Advice *advice)
{
        if (!advice)
                return;

        g_free(advice->connections);
        g_free(advice->text);
        g_strfreev(advice->commands);
        g_free(advice);
}

void advice_add(GPtrArray *all, Advice *advice)
{
        for (guint i = 0; i < all->len; i++) {
                Advice *there = all->pdata[i];
                g_autofree char *names = NULL;

                if (there->fault != advice->fault || !g_strv_equal((const char *const *)there->commands,
                                                                   (const char *const *)advice->commands))
                        continue;

                names = g_strdup_printf("%s, %s", there->connections, advice->connections);
                g_free(there->connections);
                there->connections = g_steal_pointer(&names);
                advice_free(advice);
                return;
        }

        g_ptr_array_add(all, advice);
}

char *advice_title(const Advice *advice)
{
        return g_strconcat(advice->note ? "note: " : "", advice->connections ? advice->connections : "",
                           advice->connections ? ": " : "", advice->text, NULL);
}
