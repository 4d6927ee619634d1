-- description: What each product sold, to how many customers, and its rank by revenue.
-- grain: one row per product_id
-- key: product_id
-- columns:
--   - {name: product_id, type: integer, meaning: number of the product}
--   - {name: total_orders, type: integer, unit: orders, meaning: sales lines}
--   - {name: total_quantity_sold, type: integer, unit: pieces, meaning: pieces sold}
--   - {name: total_revenue, type: decimal, unit: USD, meaning: sum of the sales lines' amounts}
--   - {name: average_order, type: ratio, unit: USD, meaning: revenue per sales line}
--   - {name: unique_customers, type: integer, unit: customers, meaning: different customers who bought it}
--   - {name: first_sale_date, type: date, meaning: day of the oldest sale}
--   - {name: last_sale_date, type: date, meaning: day of the newest sale}
--   - {name: revenue_rank, type: integer, meaning: "1 is the product with most revenue; at equal revenue the lower number"}
-- reconcile: total_revenue = silver.sales_clean.sale_amount
-- checks:
--   - name: rank_unique
--     sql: select revenue_rank, count(*) as products from {table} group by revenue_rank having count(*) > 1
--     description: No two products share a rank.
--   - name: first_sale_before_last
--     sql: select * from {table} where first_sale_date > last_sale_date
--     description: The oldest sale is not after the newest.
--   - name: buyers_within_orders
--     sql: select * from {table} where unique_customers < 1 or unique_customers > total_orders
--     description: A product has at least one buyer and no more buyers than orders.
-- severity: block

with products as (
    select
        s.product_id,
        count(*) as total_orders,
        sum(s.quantity) as total_quantity_sold,
        sum(s.sale_amount) as total_revenue,
        count(distinct s.customer_id) as unique_customers,
        min(s.sale_date) as first_sale_date,
        max(s.sale_date) as last_sale_date
    from silver.sales_clean as s
    group by s.product_id
)

select
    p.product_id,
    p.total_orders,
    p.total_quantity_sold,
    p.total_revenue,
    p.total_revenue / p.total_orders as average_order,
    p.unique_customers,
    p.first_sale_date,
    p.last_sale_date,
    -- Equal revenue is common among small products: the key decides, so that every run ranks alike.
    row_number() over (order by p.total_revenue desc, p.product_id asc) as revenue_rank
from products as p
