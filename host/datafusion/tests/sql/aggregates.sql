-- Aggregations that Pilaster takes in whole, over the tables of fixture.rs; rows are compared as a multiset. Results of
-- division and roots are rounded in SQL: their last places may differ.

SELECT flag, count(DISTINCT small), sum(DISTINCT small), min(DISTINCT small), count(small) FROM fact GROUP BY flag;
SELECT count(DISTINCT name), count(DISTINCT price), count(DISTINCT ratio), count(DISTINCT good), sum(big) FROM fact;
SELECT flag, bool_and(good), bool_or(good), bool_and(good) FILTER (WHERE small > 5) FROM fact GROUP BY flag;
SELECT flag, bit_and(small), bit_or(big), bit_xor(id) FROM fact GROUP BY flag;
SELECT small, first_value(name ORDER BY id), last_value(name ORDER BY id), first_value(big ORDER BY price DESC NULLS LAST, id) FROM fact GROUP BY small;
SELECT small, first_value(flag ORDER BY id) IGNORE NULLS, last_value(flag ORDER BY id DESC) IGNORE NULLS, last_value(flag ORDER BY id) FROM fact GROUP BY small;
SELECT first_value(flag ORDER BY id), last_value(ratio ORDER BY ratio NULLS FIRST) FROM fact WHERE id < 0;
SELECT small, any_value(1) FROM fact GROUP BY small;
SELECT DISTINCT small, flag, good FROM fact;
SELECT DISTINCT ON (small) small, id, name FROM fact ORDER BY small, price, id;
SELECT flag, grouping(flag), count(*), sum(price) FROM fact GROUP BY ROLLUP(flag);
SELECT flag, good, small, grouping(flag, good, small), count(*), sum(price), avg(price), max(name) FROM fact GROUP BY CUBE(flag, good, small);
SELECT flag, day, count(*), sum(big), count(DISTINCT small) FROM fact GROUP BY GROUPING SETS ((flag, day), (flag), (day), ());
SELECT flag, count(*) FROM fact GROUP BY GROUPING SETS ((flag), (flag), ());
SELECT flag, small, count(*) FROM fact WHERE id < 0 GROUP BY ROLLUP(flag, small);
SELECT small, flag, sum(price) FILTER (WHERE good), grouping(small) FROM fact GROUP BY ROLLUP(small, flag) HAVING count(*) > 100;
SELECT flag, round(var_samp(ratio), 6), round(var_pop(ratio), 6), round(stddev(small), 9), round(stddev_pop(price), 6), count(*) FROM fact GROUP BY flag;
SELECT small, round(covar_samp(ratio, id), 3), round(covar_pop(ratio, id), 3), round(corr(ratio, id), 9) FROM fact GROUP BY small;
SELECT round(regr_slope(ratio, id), 12), round(regr_intercept(ratio, id), 9), regr_count(ratio, id), round(regr_r2(ratio, id), 12), round(regr_avgx(ratio, id), 6), round(regr_avgy(ratio, id), 9), round(regr_sxx(ratio, id), 0), round(regr_syy(ratio, id), 3), round(regr_sxy(ratio, id), 0) FROM fact;
SELECT stddev(ratio), var_pop(ratio), corr(ratio, big), regr_slope(ratio, big), regr_count(ratio, big) FROM fact WHERE id < 0;
SELECT var_samp(ratio), stddev(ratio), var_pop(ratio) FROM fact WHERE id = 3;
SELECT flag, median(ratio), median(small), median(DISTINCT ratio) FROM fact GROUP BY flag;
SELECT flag, median(price) FROM fact GROUP BY flag;
SELECT flag, round(percentile_cont(0.25) WITHIN GROUP (ORDER BY ratio), 3), percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio DESC) FROM fact GROUP BY flag;
SELECT flag, array_agg(id ORDER BY id) FROM fact WHERE id < 50 GROUP BY flag;
SELECT small, array_agg(flag ORDER BY price DESC, id), array_agg(name ORDER BY id DESC) FROM fact WHERE id < 200 GROUP BY small;
SELECT array_agg(small ORDER BY id) FROM fact WHERE id < 0;
SELECT array_agg(DISTINCT small ORDER BY small) FROM fact;
SELECT flag, string_agg(name, ', ' ORDER BY id) FROM fact WHERE id < 60 GROUP BY flag;
SELECT small, string_agg(flag, '' ORDER BY id DESC) FROM fact GROUP BY small;
SELECT string_agg(name, ',' ORDER BY id) FROM fact WHERE id < 0;
SELECT flag, sum(DISTINCT price), avg(DISTINCT small), count(DISTINCT day), max(ratio) FROM fact GROUP BY flag;
SELECT good, min(flag), max(ratio), min(good), max(good) FROM fact GROUP BY good;
