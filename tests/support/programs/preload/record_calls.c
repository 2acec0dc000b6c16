/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Functions of libvirt that no host of tests can serve: each call is a line in the file $RECORD: the
 * function, its object, its arguments; text is in quotes, NULL is not. */

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DOMAIN (virDomainGetName(domain))
#define DEVICE (virNodeDeviceGetName(device))

static int record(const char *format, ...)
{
        FILE *file = fopen(getenv("RECORD"), "a");
        va_list arguments;

        va_start(arguments, format);
        vfprintf(file, format, arguments);
        va_end(arguments);
        fputc('\n', file);
        return fclose(file);
}

static const char *text(const char *string)
{
        static __thread char texts[4][256];
        static __thread unsigned next;
        char *room = texts[next++ % 4];

        snprintf(room, sizeof texts[0], string ? "'%s'" : "NULL", string);
        return room;
}

/* Which files they are: each descriptor's device and inode. */
static const char *identities(unsigned n, const int *files)
{
        static __thread char list[256];

        list[0] = '\0';
        for (unsigned i = 0; i < n; i++) {
                struct stat found = {};

                fstat(files[i], &found);
                snprintf(list + strlen(list), sizeof list - strlen(list), " %lu:%lu",
                         (unsigned long)found.st_dev, (unsigned long)found.st_ino);
        }

        return list;
}

int virDomainAuthorizedSSHKeysGet(virDomainPtr domain, const char *user, char ***keys, unsigned flags)
{
        *keys = calloc(3, sizeof **keys);
        (*keys)[0] = strdup("ssh-rsa one");
        (*keys)[1] = strdup("\xff");
        record("%s %s %s %u", __func__, DOMAIN, text(user), flags);
        return 2;
}

int virDomainAuthorizedSSHKeysSet(virDomainPtr domain, const char *user, const char **keys, unsigned n,
                                  unsigned flags)
{
        record("%s %s %s %u %u", __func__, DOMAIN, text(user), n, flags);
        for (unsigned i = 0; i < n; i++)
                record("key %s", text(keys[i]));
        return 0;
}

int virDomainCreateWithFiles(virDomainPtr domain, unsigned n, int *files, unsigned flags)
{
        return record("%s %s %u%s %u", __func__, DOMAIN, n, identities(n, files), flags);
}

int virDomainFDAssociate(virDomainPtr domain, const char *name, unsigned n, int *files, unsigned flags)
{
        return record("%s %s %s %u%s %u", __func__, DOMAIN, text(name), n, identities(n, files), flags);
}

int virDomainFSTrim(virDomainPtr domain, const char *mountpoint, unsigned long long minimum, unsigned flags)
{
        return record("%s %s %s %llu %u", __func__, DOMAIN, text(mountpoint), minimum, flags);
}

int virDomainGetGuestVcpus(virDomainPtr domain, virTypedParameterPtr *params, unsigned *n, unsigned flags)
{
        int size = 0, count = 0;

        virTypedParamsAddString(params, &count, &size, "vcpus", "0-3");
        virTypedParamsAddString(params, &count, &size, "online", "0,2");
        virTypedParamsAddUInt(params, &count, &size, "other", 7);
        *n = (unsigned)count;
        return record("%s %s %u", __func__, DOMAIN, flags);
}

int virDomainGetGuestInfo(virDomainPtr domain, unsigned types, virTypedParameterPtr *params, int *n,
                          unsigned flags)
{
        int size = 0;

        *n = 0;
        virTypedParamsAddString(params, n, &size, "os.id", "debian");
        virTypedParamsAddUInt(params, n, &size, "user.count", 0);
        return record("%s %s %u %u", __func__, DOMAIN, types, flags);
}

char *virDomainGetSchedulerType(virDomainPtr domain, int *n)
{
        *n = 3;
        return strdup("posix");
}

/* Fewer than there could be. */
int virDomainGetSchedulerParametersFlags(virDomainPtr domain, virTypedParameterPtr params, int *n,
                                         unsigned flags)
{
        int room = *n;

        params[0] = (virTypedParameter){.field = "cpu_shares",
                                        .type = VIR_TYPED_PARAM_ULLONG,
                                        .value.ul = 1ULL << 40};
        params[1] = (virTypedParameter){.field = "vcpu_quota", .type = VIR_TYPED_PARAM_LLONG, .value.l = -1};
        *n = 2;
        return record("%s %s %d %u", __func__, DOMAIN, room, flags);
}

static int record_params(virTypedParameterPtr params, int n);

int virDomainMigrateToURI3(virDomainPtr domain, const char *uri, virTypedParameterPtr params, unsigned n,
                           unsigned flags)
{
        record("%s %s %s %u %u", __func__, DOMAIN, text(uri), n, flags);
        return record_params(params, (int)n);
}

int virDomainMigrateStartPostCopy(virDomainPtr domain, unsigned flags)
{
        return record("%s %s %u", __func__, DOMAIN, flags);
}

int virDomainPMSuspendForDuration(virDomainPtr domain, unsigned target, unsigned long long duration,
                                  unsigned flags)
{
        return record("%s %s %u %llu %u", __func__, DOMAIN, target, duration, flags);
}

int virDomainPMWakeup(virDomainPtr domain, unsigned flags)
{
        return record("%s %s %u", __func__, DOMAIN, flags);
}

char *virDomainQemuAgentCommand(virDomainPtr domain, const char *command, int timeout, unsigned flags)
{
        record("%s %s %s %d %u", __func__, DOMAIN, text(command), timeout, flags);
        return strdup("{\"return\":{}}");
}

int virDomainSetGuestVcpus(virDomainPtr domain, const char *cpus, int state, unsigned flags)
{
        return record("%s %s %s %d %u", __func__, DOMAIN, text(cpus), state, flags);
}

int virDomainSetLaunchSecurityState(virDomainPtr domain, virTypedParameterPtr params, int n, unsigned flags)
{
        record("%s %s %d %u", __func__, DOMAIN, n, flags);
        return record_params(params, n);
}

char *virConnectDomainXMLFromNative(virConnectPtr conn, const char *format, const char *config,
                                    unsigned flags)
{
        record("%s %s %s %s %u", __func__, virConnectGetType(conn), text(format), text(config), flags);
        return strdup("<domain/>");
}

int virNodeAllocPages(virConnectPtr conn, unsigned n, unsigned *sizes, unsigned long long *counts, int start,
                      unsigned cells, unsigned flags)
{
        record("%s %s %u %d %u %u", __func__, virConnectGetType(conn), n, start, cells, flags);
        for (unsigned i = 0; i < n; i++)
                record("pages %u %llu", sizes[i], counts[i]);
        return (int)n;
}

int virNodeDeviceCreate(virNodeDevicePtr device, unsigned flags)
{
        return record("%s %s %u", __func__, DEVICE, flags);
}

virNodeDevicePtr virNodeDeviceDefineXML(virConnectPtr conn, const char *xml, unsigned flags)
{
        record("%s %s %s %u", __func__, virConnectGetType(conn), text(xml), flags);
        return virNodeDeviceLookupByName(conn, "scsi_host1");
}

int virNodeDeviceGetAutostart(virNodeDevicePtr device, int *autostart)
{
        *autostart = 1;
        return record("%s %s", __func__, DEVICE);
}

int virNodeDeviceSetAutostart(virNodeDevicePtr device, int autostart)
{
        return record("%s %s %d", __func__, DEVICE, autostart);
}

int virNodeDeviceUndefine(virNodeDevicePtr device, unsigned flags)
{
        return record("%s %s %u", __func__, DEVICE, flags);
}

int virNodeDeviceDetachFlags(virNodeDevicePtr device, const char *driver, unsigned flags)
{
        return record("%s %s %s %u", __func__, DEVICE, text(driver), flags);
}

virNodeDevicePtr virNodeDeviceLookupSCSIHostByWWN(virConnectPtr conn, const char *wwnn, const char *wwpn,
                                                  unsigned flags)
{
        record("%s %s %s %s %u", __func__, virConnectGetType(conn), text(wwnn), text(wwpn), flags);
        return virNodeDeviceLookupByName(conn, "scsi_host1");
}

int virNodeDeviceReAttach(virNodeDevicePtr device)
{
        return record("%s %s", __func__, DEVICE);
}

int virNodeDeviceReset(virNodeDevicePtr device)
{
        return record("%s %s", __func__, DEVICE);
}

static int record_params(virTypedParameterPtr params, int n)
{
        for (int i = 0; i < n; i++)
                switch (params[i].type) {
                case VIR_TYPED_PARAM_INT:
                        record("%s int %d", params[i].field, params[i].value.i);
                        break;
                case VIR_TYPED_PARAM_UINT:
                        record("%s uint %u", params[i].field, params[i].value.ui);
                        break;
                case VIR_TYPED_PARAM_LLONG:
                        record("%s llong %lld", params[i].field, params[i].value.l);
                        break;
                case VIR_TYPED_PARAM_ULLONG:
                        record("%s ullong %llu", params[i].field, params[i].value.ul);
                        break;
                case VIR_TYPED_PARAM_DOUBLE:
                        record("%s double %g", params[i].field, params[i].value.d);
                        break;
                case VIR_TYPED_PARAM_BOOLEAN:
                        record("%s boolean %d", params[i].field, params[i].value.b);
                        break;
                case VIR_TYPED_PARAM_STRING:
                        record("%s string %s", params[i].field, text(params[i].value.s));
                        break;
                }

        return 0;
}

int virNodeSetMemoryParameters(virConnectPtr conn, virTypedParameterPtr params, int n, unsigned flags)
{
        record("%s %s %d %u", __func__, virConnectGetType(conn), n, flags);
        return record_params(params, n);
}

int virNodeGetSEVInfo(virConnectPtr conn, virTypedParameterPtr *params, int *n, unsigned flags)
{
        int size = 0;

        *n = 0;
        virTypedParamsAddUInt(params, n, &size, "cbitpos", 47);
        return record("%s %s %u", __func__, virConnectGetType(conn), flags);
}

int virNodeSuspendForDuration(virConnectPtr conn, unsigned target, unsigned long long duration,
                              unsigned flags)
{
        return record("%s %s %u %llu %u", __func__, virConnectGetType(conn), target, duration, flags);
}
