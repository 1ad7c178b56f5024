import json, sys, chdb

path, since = sys.argv[1:]
answer = chdb.query(f"""
    SELECT count()                                                     AS rows,
           toUnixTimestamp64Micro(min(time))                           AS first,
           toUnixTimestamp64Micro(max(time))                           AS last,
           countIf(time >= parseDateTime64BestEffort('{since}', 6))    AS since,
           count(drop_reason)                                          AS dropped,
           sum(length(ingress_policies))                               AS policies,
           sum(arrayCount(p -> isNotNull(p.rule), ingress_policies))   AS rules,
           sum(arraySum(l -> l.count, losses))                         AS lost,
           toString(max(bytes))                                        AS most_bytes,
           countIf(destination_ip = '2001:db8::1')                     AS outward
    FROM file('{path}', Parquet)
    FORMAT JSONEachRow
    SETTINGS output_format_json_quote_64bit_integers = 0""")
print(json.dumps(json.loads(str(answer))))
