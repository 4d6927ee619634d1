-- description: Customers, orders and revenue of each sales region.
-- grain: one row per region
-- key: region
-- columns:
--   - {name: region, type: text, meaning: "sales region; (none) where a customer has none"}
--   - {name: total_customers, type: integer, unit: customers, meaning: "customers of the region, with or without orders"}
--   - {name: buying_customers, type: integer, unit: customers, meaning: customers with at least one order}
--   - {name: total_orders, type: integer, unit: orders, meaning: sales lines}
--   - {name: total_quantity, type: integer, unit: pieces, meaning: pieces sold}
--   - {name: total_revenue, type: decimal, unit: USD, meaning: sum of the sales lines' amounts}
--   - {name: revenue_share, type: ratio, meaning: "share of the revenue of all regions, 0 to 1; 0 while there is none"}
--   - {name: average_order, type: ratio, unit: USD, meaning: revenue per sales line; blank without orders}
--   - {name: last_sale_date, type: date, meaning: day of the newest sale; blank without orders}
-- reconcile: total_revenue = silver.sales_clean.sale_amount
-- checks:
--   - name: share_between_0_and_1
--     sql: select * from {table} where revenue_share < 0 or revenue_share > 1
--     description: A region's share of the revenue lies between 0 and 1.
--   - name: no_more_buyers_than_customers
--     sql: select * from {table} where buying_customers > total_customers
--     description: Nobody buys who is not a customer.
--   - name: region_with_orders
--     sql: select * from {table} where total_orders = 0
--     severity: warn
--     description: Every region has orders.
-- severity: block

-- Sales are added up per customer first, so that a customer counts once and a region without sales stays.
with bought as (
    select
        s.customer_id,
        count(*) as orders,
        sum(s.quantity) as quantity,
        sum(s.sale_amount) as revenue,
        max(s.sale_date) as last_sale_date
    from silver.sales_clean as s
    group by s.customer_id
),

regions as (
    select
        coalesce(c.region, '(none)') as region,
        count(*) as total_customers,
        count(b.customer_id) as buying_customers,
        coalesce(sum(b.orders), 0) as total_orders,
        coalesce(sum(b.quantity), 0) as total_quantity,
        coalesce(sum(b.revenue), 0) as total_revenue,
        max(b.last_sale_date) as last_sale_date
    from silver.customers_clean as c
    left join bought as b on c.customer_id = b.customer_id
    group by coalesce(c.region, '(none)')
)

select
    r.region,
    r.total_customers,
    r.buying_customers,
    r.total_orders,
    r.total_quantity,
    r.total_revenue,
    coalesce(r.total_revenue / nullif(sum(r.total_revenue) over (), 0), 0) as revenue_share,
    r.total_revenue / nullif(r.total_orders, 0) as average_order,
    r.last_sale_date
from regions as r
