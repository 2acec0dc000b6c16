# bash completion for guestbusctl                          -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later

# Those of the lines in $1 that begin with $2. Names may have spaces and all that a shell expands, so that no line is
# ever expanded here (as compgen -W would), and each is quoted on the command line.
_guestbusctl_reply() {
        local line
        COMPREPLY=()
        while IFS= read -r line; do
                [[ -z $line || $line != "$2"* ]] || COMPREPLY+=("$(printf '%q' "$line")")
        done <<<"$1"
}

# Asks the bus, and is silent if there is no answer.
_guestbusctl_guests() {
        local place=() i
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --user) place=(--user) ;;
                --address) place=(--address "${COMP_WORDS[i + 1]}") ;;
                esac
        done
        timeout 2 "${COMP_WORDS[0]}" "${place[@]}" list --names 2>/dev/null
}

_guestbusctl() {
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' guest='' i
        local bus=$'--system\n--user\n--address\n--help'
        local states=$'running\npaused\nshutoff\ncrashed\npmsuspended\nblocked\nnostate\nshutdown\ngone'
        local kinds=$'lifecycle\nreboot\nio-error\nwatchdog\nblock-job\ndevice-added\ndevice-removed\nagent-lifecycle'
        kinds+=$'\njob-completed\nmetadata-change\nadded\nchanged\nremoved\nstate-checked\nopened\nclosed\nresynced'

        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --address | --timeout | -t | --settle | -s) ((i++)) ;;
                -*) ;;
                *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else guest=${COMP_WORDS[i]}; fi ;;
                esac
        done

        case $previous in
        --kind | -k) _guestbusctl_reply "$kinds" "$current" && return ;;
        --output | -o) _guestbusctl_reply $'text\njson' "$current" && return ;;
        --cursor-file) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
        --address | --since | --timeout | -t | --settle | -s) COMPREPLY=() && return ;;
        esac

        case $command:$current in
        :-*) _guestbusctl_reply "$bus"$'\n--version' "$current" ;;
        :*) _guestbusctl_reply $'doctor\nlist\nmonitor\nwait' "$current" ;;
        doctor:*) _guestbusctl_reply "$bus"$'\n--json' "$current" ;;
        list:*) _guestbusctl_reply "$bus"$'\n--json\n--names' "$current" ;;
        monitor:-*) _guestbusctl_reply "$bus"$'\n--kind\n--since\n--output\n--cursor-file' "$current" ;;
        wait:-*) _guestbusctl_reply "$bus"$'\n--timeout\n--settle' "$current" ;;
        monitor:*) _guestbusctl_reply "$(_guestbusctl_guests)" "$current" ;;
        wait:*)
                if [ -z "$guest" ]; then
                        _guestbusctl_reply "$(_guestbusctl_guests)" "$current"
                else
                        _guestbusctl_reply "$states" "$current"
                fi
                ;;
        esac
}

complete -F _guestbusctl guestbusctl
