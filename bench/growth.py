"""What grows: the devices of a group, the groups stored, the replicas, the pool, the threads."""
from cluster import WrongCount
from loads import migrate, over_http, replicas
from parts import Lane, Part, Ratio


def devices(options):
    sizes = (1, 10, 100) if options.quick else (1, 3, 10, 100, 1000)
    flags = ("--limits.max_devices_per_group", "1000")

    def lane(size, connections):
        def measure(bench):
            # Few groups of many devices: a window's worth of rows, not of groups.
            count = max(8, min(bench.options.groups // (1 if connections > 1 else 8),
                               bench.options.groups * 10 // size))
            sample = over_http(bench, count, size, connections, flags=flags)
            return sample | {"each_ms": connections * 1000 / sample["rate"]}
        return measure
    lanes = [Lane(f"{size} devices, {connections} at a time", lane(size, connections), size)
             for connections in (1, 32) for size in sizes]
    ratios = [] if options.quick else [
        Ratio("time of 1000 / 10 devices", ("1000 devices, 1 at a time",),
              ("10 devices, 1 at a time",), "each_ms", "< 10")]
    return Part("devices", "Devices of a group, 1 and 32 requests at a time", lanes, ratios,
                "devices")


def stored(options):
    few, many = (500, 2000) if options.quick else (10_000, 5_000_000 if options.full else 200_000)

    def prepare(bench):
        for count in (few, many):
            store(bench, f"stored_{count}", count)

    def lane(count):
        return lambda bench: over_http(bench, bench.options.groups, database=f"stored_{count}")

    def on_empty(bench):
        """Sessions that planned on empty, freshly analysed tables, which then fill."""
        name = f"empty_{bench.next_number()}"
        bench.create_database(name)
        bench.cluster.sql(name, "ANALYZE")
        try:
            bench.add_owners(bench.options.groups, name)
            with replicas(bench, database=name) as [server]:
                groups = bench.fresh(bench.options.groups, database=name, settle=False)
                return migrate(bench, [server], groups)
        finally:
            bench.cluster.sql("postgres", f"DROP DATABASE {name}")
    lanes = [Lane(f"{count:,} groups stored", lane(count), count) for count in (few, many)]
    lanes.append(Lane("planned on empty tables", on_empty))
    return Part("stored", f"Groups stored: {few:,} and {many:,}" +
                ("" if options.full else " (5,000,000 with --full)"), lanes,
                [Ratio(f"{many:,} / {few:,} groups stored", (lanes[1].name,), (lanes[0].name,),
                       goal="≥ 0.9"),
                 Ratio(f"planned on empty tables / {few:,} groups stored", (lanes[2].name,),
                       (lanes[0].name,))], "groups stored", prepare)


def store(bench, database, count):
    """`count` groups of 3 devices that were migrated long ago."""
    bench.create_database(database)
    bench.add_owners(min(count, 10_000), database)
    owners, chunk = min(count, 10_000), 100_000
    # Sorted into the indexes at the end: row by row, in random order, millions would take hours.
    ours = "SELECT indexrelid FROM pg_index JOIN pg_class c ON c.oid = indrelid " \
           "WHERE c.relnamespace = 'public'::regnamespace"
    bench.cluster.sql(database, f"UPDATE pg_index SET indisready = false, indisvalid = false "
                                f"WHERE indexrelid IN ({ours})")
    for begin in range(0, count, chunk):
        end = min(begin + chunk, count) - 1
        bench.say(f"storing groups in {database}: {end + 1:,} of {count:,}")
        # As the owner of the tables may: no look at foreign keys that are right by construction.
        bench.cluster.sql(database, f"""
            SET session_replication_role = replica;
            CREATE TEMP TABLE made AS
              SELECT n, gen_random_uuid() AS id, lpad((n % {owners})::text, 32, '0')::uuid AS owner,
                     ARRAY[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()] AS devices
              FROM generate_series({begin}, {end}) n;
            INSERT INTO groups (id, name, slug, created_by)
              SELECT id, 'Family ' || n, 'family-' || n, owner FROM made;
            INSERT INTO group_memberships (group_id, user_id, role)
              SELECT id, owner, 'owner' FROM made;
            INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id,
                                 linked_at)
              SELECT d, 'Phone', 'family-' || n, 'android', owner, now()
              FROM made, unnest(devices) d;
            INSERT INTO device_group_memberships (device_id, group_id, added_by)
              SELECT d, id, owner FROM made, unnest(devices) d;
            INSERT INTO migration_audit_logs (user_id, registration_group_id, 
                authenticated_group_id, devices_migrated, device_ids, status, group_name,
                group_slug, devices_remaining)
              SELECT owner, 'camp-' || n, id, 3, devices, 'success', 'Family ' || n,
                     'family-' || n, 0
              FROM made;""")
    bench.say(f"building the indexes of {database}")
    bench.cluster.sql(database, "SET maintenance_work_mem = '1GB'; REINDEX SCHEMA public;")
    if bench.cluster.number(database, f"SELECT count(*) FROM ({ours}) i JOIN pg_index x USING "
                            "(indexrelid) WHERE NOT x.indisready OR NOT x.indisvalid"):
        raise WrongCount(f"an index of {database} was not built")
    bench.cluster.sql(database, "VACUUM ANALYZE")


def replica_counts(options):
    counts = (1, 2) if options.quick else (1, 2, 3)
    return Part("replicas", "Replicas on this machine, 8 connections each, 32 requests at a time", [
        Lane(f"{count} replicas",
             lambda bench, count=count: over_http(bench, bench.options.groups, replica_count=count),
             count) for count in counts], [], "replicas")


def pools(options):
    sizes = (2, 8) if options.quick else (2, 4, 8, 16, 32)
    return Part("pool", "Connections of a replica to the database", [
        Lane(f"pool of {size}", lambda bench, size=size: over_http(
            bench, bench.options.groups, flags=("--database.pool_size", str(size))), size)
        for size in sizes], [], "connections")


def threads(options):
    counts = (1, 2) if options.quick else (1, 2, 4)
    return Part("threads", "Threads of a replica (http.threads), on as many cores as there are", [
        Lane(f"{count} threads", lambda bench, count=count: over_http(
            bench, bench.options.groups, flags=("--http.threads", str(count))), count)
        for count in counts], [], "threads")
