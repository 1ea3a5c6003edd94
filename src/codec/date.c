/* date.c - dates. Days from civil dates by Howard Hinnant's algorithm. */
#include "codec/date.h"

#include <stdio.h>

static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    int64_t era;
    unsigned yoe, doy, doe;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = (unsigned)(y - era * 400);
    doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

struct scan {
    const char *at, *end;
};

static bool digits(struct scan *s, int count, unsigned *ret)
{
    unsigned n = 0;

    if (s->end - s->at < count)
        return false;
    for (int i = 0; i < count; i++) {
        char ch = *s->at++;
        if (ch < '0' || ch > '9')
            return false;
        n = n * 10 + (unsigned)(ch - '0');
    }
    *ret = n;
    return true;
}

static bool take(struct scan *s, char ch)
{
    if (s->at == s->end || *s->at != ch)
        return false;
    s->at++;
    return true;
}

static bool parse_fraction(struct scan *s, int64_t *ret_us)
{
    int64_t us = 0, scale = 100000;
    bool any = false;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        us += (*s->at++ - '0') * scale;
        scale /= 10;
        any = true;
    }
    *ret_us = us;
    return any;
}

static bool parse_offset(struct scan *s, int64_t *ret_minutes)
{
    unsigned hours, minutes = 0;
    int64_t sign;

    *ret_minutes = 0;
    if (s->at == s->end)
        return true;
    if (take(s, 'Z') || take(s, 'z'))
        return s->at == s->end;
    if (*s->at != '+' && *s->at != '-')
        return false;
    sign = *s->at++ == '-' ? -1 : 1;
    if (!digits(s, 2, &hours))
        return false;
    (void)take(s, ':');
    if (s->at != s->end && !digits(s, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (int64_t)(hours * 60 + minutes);
    return s->at == s->end;
}

bool date_parse(const char *text, size_t size, int64_t *ret_us)
{
    static const unsigned month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct scan s = {text, text + size};
    unsigned year, month, day, hour = 0, minute = 0, second = 0;
    int64_t us = 0, offset = 0;

    if (!digits(&s, 4, &year) || !take(&s, '-') || !digits(&s, 2, &month) || !take(&s, '-') || !digits(&s, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1])
        return false;
    if (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
        return false;
    if (s.at != s.end) {
        if (!take(&s, 'T') && !take(&s, 't') && !take(&s, ' '))
            return false;
        if (!digits(&s, 2, &hour) || !take(&s, ':') || !digits(&s, 2, &minute))
            return false;
        if (take(&s, ':')) {
            if (!digits(&s, 2, &second))
                return false;
            if (take(&s, '.') && !parse_fraction(&s, &us))
                return false;
        }
        if (hour > 23 || minute > 59 || second > 60 || !parse_offset(&s, &offset))
            return false;
    }
    *ret_us = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset) * 60000000 +
              (int64_t)second * 1000000 + us;
    return true;
}

static void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097), yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*m <= 2);
}

void date_text(int64_t us, char text[DATE_TEXT])
{
    const int64_t day = 86400000000;
    int64_t days = us / day - (us % day < 0), rest = us - days * day, y;
    unsigned m, d, s = (unsigned)(rest / 1000000);

    civil_from_days(days, &y, &m, &d);
    snprintf(text, DATE_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)y % 10000u, m % 100u, d % 100u,
             s / 3600 % 100u, s / 60 % 60, s % 60, (unsigned)(rest % 1000000) % 1000000u);
}

void date_name(uint64_t ms, char name[DATE_NAME])
{
    char when[DATE_TEXT];

    date_text((int64_t)ms * 1000, when);
    for (char *at = when; *at; at++)
        *at = *at == ':' || *at == 'T' || *at == '.' ? '-' : *at;
    snprintf(name, DATE_NAME, "%.23s", when);
}
