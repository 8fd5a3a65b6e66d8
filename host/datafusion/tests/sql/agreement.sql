-- Statements whose rows, types and errors must be the same with Pilaster as without, over the tables of fixture.rs.
-- Each ends with a semicolon; one that ends in ORDER BY is compared in order, the others as a multiset of rows.

SELECT count(*) FROM fact WHERE id >= 0;
SELECT count(*), count(small), sum(small), min(big), max(big), avg(big) FROM fact WHERE small > 0;
SELECT sum(price * rate) FROM fact WHERE day >= DATE '1992-06-01' AND rate BETWEEN 0.03 AND 0.05 AND small < 2;
SELECT flag, good, sum(price), avg(price), sum(price * (1 - rate)), count(*) FROM fact GROUP BY flag, good ORDER BY flag, good;
SELECT flag, count(*) FROM fact WHERE day <= DATE '1997-01-01' GROUP BY flag ORDER BY flag DESC NULLS LAST;
SELECT name, sum(big), min(price), max(day) FROM fact GROUP BY name;
SELECT small, name, count(*) FROM fact WHERE name LIKE '%1_' GROUP BY small, name;
SELECT id, big + 1, price * 2, -small FROM fact WHERE name IN ('name 1', 'name 22') OR big IS NULL;
SELECT id FROM fact WHERE NOT good AND (small = 1 OR small IS NULL);
SELECT id, CASE WHEN small > 0 THEN 'up' WHEN small < 0 THEN 'down' END AS way FROM fact WHERE id < 100 ORDER BY id;
SELECT CAST(price AS DECIMAL(10, 1)), CAST(small AS BIGINT), CAST(big AS DOUBLE) FROM fact WHERE id < 500;
SELECT flag, min(name), max(name), min(ratio), max(ratio) FROM fact GROUP BY flag;
SELECT sum(ratio), avg(ratio) FROM fact;
SELECT day, price FROM fact WHERE ratio > 120 ORDER BY price DESC NULLS FIRST, id LIMIT 17;
SELECT big FROM fact ORDER BY big NULLS FIRST, id;
SELECT sum(small) FILTER (WHERE good), count(*) FILTER (WHERE price < 0) FROM fact;
SELECT * FROM fact WHERE id = 12345;
SELECT count(*) FROM fact WHERE id < 0;
SELECT flag, sum(price) FROM fact WHERE id < 0 GROUP BY flag;
SELECT sum(small), avg(price), min(day), max(name) FROM fact WHERE id < 0;
-- Joins.
SELECT label, sum(price), count(*) FROM fact JOIN dim ON small = key GROUP BY label ORDER BY label;
SELECT label, max(big) FROM (SELECT small, big FROM fact WHERE big > 5) JOIN dim ON small = key GROUP BY label;
SELECT id, label FROM fact LEFT JOIN dim ON small = key AND id % 2 = 0 WHERE id < 700;
SELECT id, key, label FROM (SELECT * FROM fact WHERE id < 40) RIGHT JOIN (SELECT * FROM dim WHERE key > -2) ON small = key;
SELECT id, key FROM (SELECT id, small FROM fact WHERE id < 40) FULL JOIN (SELECT key + 2 AS key FROM dim) ON small = key;
SELECT count(*) FROM fact WHERE small IN (SELECT key FROM dim WHERE label = 'label 1');
SELECT count(*), sum(id) FROM fact WHERE small NOT IN (SELECT key FROM dim WHERE key > 0);
SELECT count(*) FROM fact WHERE small NOT IN (SELECT small FROM fact WHERE id < 9);
SELECT id FROM fact AS f WHERE NOT EXISTS (SELECT 1 FROM dim WHERE key = f.small) AND id < 300;
SELECT label FROM dim WHERE EXISTS (SELECT 1 FROM fact WHERE small = key AND big > 0 AND id < 20);
SELECT id FROM fact AS f WHERE id < 50 AND (good OR EXISTS (SELECT 1 FROM dim WHERE key = f.small AND key > 0));
SELECT a.id, b.id FROM fact AS a JOIN fact AS b ON a.name = b.name AND a.flag = b.flag AND a.id < b.id WHERE a.id < 2000 AND b.id < 2000;
SELECT f.id, d.key, e.label FROM fact AS f JOIN dim AS d ON f.small = d.key JOIN dim AS e ON d.key = e.key + 1 WHERE f.day > DATE '1997-06-01';
SELECT a.flag, count(*), sum(b.price) FROM fact AS a JOIN fact AS b ON a.id = b.id + 1 GROUP BY a.flag;
SELECT f.id, d.key FROM fact AS f CROSS JOIN dim AS d WHERE f.id < 30;
SELECT f.id, d.key FROM fact AS f JOIN dim AS d ON f.small < d.key WHERE f.id < 30;
SELECT f.id, d.key FROM fact AS f LEFT JOIN dim AS d ON f.small > d.key + 1 WHERE f.id < 30;
SELECT a.small, count(*) FROM fact AS a JOIN fact AS b ON a.small IS NOT DISTINCT FROM b.small WHERE a.id < 100 AND b.id < 100 GROUP BY a.small;
SELECT count(*) FROM fact AS a JOIN dim AS b ON a.small = b.key WHERE b.key > 100;
SELECT count(*) FROM (SELECT key FROM dim UNION ALL SELECT key + 5 FROM dim) AS u JOIN fact AS f ON u.key = f.small;
SELECT u.key, f.id FROM fact AS f RIGHT JOIN (SELECT key FROM dim UNION ALL SELECT key + 5 FROM dim) AS u ON u.key = f.small AND f.id < 25;
SELECT id, label FROM fact JOIN dim ON small = key ORDER BY id, label LIMIT 12 OFFSET 3;
-- Functions that we have no kernel for.
SELECT upper(flag), sum(abs(small)) FROM fact WHERE length(name) > 6 GROUP BY upper(flag);
SELECT id, row_number() OVER (ORDER BY id) FROM fact WHERE small = 2 ORDER BY id;
SELECT flag, count(DISTINCT small) FROM fact GROUP BY flag;
SELECT small FROM fact WHERE id < 50 UNION ALL SELECT key FROM dim WHERE key > 0;
SELECT DISTINCT flag, good FROM fact;
SELECT big % 7, big / 3 FROM fact WHERE big <> 0;
SELECT id FROM fact WHERE price > (SELECT avg(price) FROM fact);
SELECT sum(big) FROM fact HAVING count(*) > 5;
SELECT id FROM fact WHERE name >= 'name 49' ORDER BY id LIMIT 7;
