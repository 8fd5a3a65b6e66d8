-- TPC-H Q6: Forecasting revenue change, with the validation parameters of the specification. The bounds 0.06 -+ 0.01 are written out: some
-- engines compute them in binary floating point, and then lose the rows at 0.07.
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM lineitem
WHERE l_shipdate >= DATE '1994-01-01'
    AND l_shipdate < DATE '1994-01-01' + INTERVAL '1' YEAR
    AND l_discount BETWEEN 0.05 AND 0.07
    AND l_quantity < 24;
