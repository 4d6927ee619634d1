-- description: Orders, pieces and revenue by month, region and product, for trends.
-- grain: one row per month, region and product_id
-- key: [month, region, product_id]
-- columns:
--   - {name: month, type: date, meaning: first day of the month of the sales}
--   - {name: region, type: text, meaning: "sales region of the customer; (none) where there is none"}
--   - {name: product_id, type: integer, meaning: number of the product}
--   - {name: orders, type: integer, unit: orders, meaning: sales lines}
--   - {name: quantity, type: integer, unit: pieces, meaning: pieces sold}
--   - {name: revenue, type: decimal, unit: USD, meaning: sum of the sales lines' amounts}
-- reconcile: revenue = silver.sales_clean.sale_amount
-- checks:
--   - name: first_of_month
--     sql: select * from {table} where extract(day from month) <> 1
--     description: A month is named by its first day.
--   - name: something_sold
--     sql: select * from {table} where orders < 1 or quantity < 1
--     description: A row stands for at least one order and one piece.
-- severity: block

select
    cast(date_trunc('month', s.sale_date) as date) as month,
    coalesce(c.region, '(none)') as region,
    s.product_id,
    count(*) as orders,
    sum(s.quantity) as quantity,
    sum(s.sale_amount) as revenue
from silver.sales_clean as s
left join silver.customers_clean as c on s.customer_id = c.customer_id
group by
    cast(date_trunc('month', s.sale_date) as date),
    coalesce(c.region, '(none)'),
    s.product_id
