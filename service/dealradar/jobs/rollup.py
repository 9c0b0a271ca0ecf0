"""Counts by the hour, for the charts. A value is computed anew, never added to, so any tick may be repeated."""

from dealradar.database import Connection
from dealradar.jobs.run import Run

HOURS = 24

# Each part reads the newest end of an index. Hours in which nothing happened are there too, with 0.
_ROLL_UP = """
    WITH span AS (SELECT date_trunc('hour', now()) - make_interval(hours => %(hours)s - 1) AS since),
    happened AS (
        SELECT 'deals' AS metric, created_at AS at FROM deals, span WHERE created_at >= since
        UNION ALL SELECT 'reviews', created_at FROM reviews, span WHERE created_at >= since
        UNION ALL SELECT 'comments', created_at FROM comments, span WHERE created_at >= since
        UNION ALL SELECT CASE outcome WHEN 'sent' THEN 'deliveries' ELSE 'failed_deliveries' END, began_at
                    FROM delivery_attempts, span WHERE began_at >= since AND outcome IS NOT NULL),
    counted AS (SELECT metric, date_trunc('hour', at) AS hour, count(*) AS value FROM happened GROUP BY 1, 2)
    INSERT INTO metrics_hourly AS m (metric, hour, value, fence)
    SELECT metric, hour, coalesce(c.value, 0), %(fence)s
      FROM unnest(ARRAY['deals', 'reviews', 'comments', 'deliveries', 'failed_deliveries']) AS metric
     CROSS JOIN span CROSS JOIN generate_series(since, now(), interval '1 hour') AS hour
      LEFT JOIN counted c USING (metric, hour)
    ON CONFLICT (metric, hour) DO UPDATE SET value = excluded.value, fence = excluded.fence
     WHERE m.value <> excluded.value
"""


async def work(run: Run) -> str:
    """Count the last day, the running hour included."""

    async def roll_up(connection: Connection) -> int:
        return (await connection.execute(_ROLL_UP, {"hours": HOURS, "fence": run.fence})).rowcount

    return f"{await run.within(roll_up)} values new or changed"
