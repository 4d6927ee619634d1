"""Mending: what was set aside is corrected, discarded, taken back, and every row stays accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from etl.asides import WAITING
from etl.errors import UsageError
from etl.mends import Aside, Edit, MendState, RowPlace
from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.oracle import COLUMNS, CRM
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

BAD = (
    SALES
    + "5,12,1,0,2026-03-01,5.00\n"  # line 2: quantity below 1
    + "6,12,9,1,2026-03-02,7.00\n"  # line 3: nobody knows customer 9
    + "7,12,1,1,2026-03-03\n"  # line 4: one field too few
    + "8,12,1,x,2026-03-04,12.345\n"  # line 5: two rules
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    land(made, "erp/erp_sales_bad.csv", BAD)
    return made


def place_of(service: Service, line: int, correction: int = 0) -> RowPlace:
    batch = next(b for b in service.batches("erp_sales") if b.path.endswith("_bad.csv"))
    return RowPlace(batch.batch_id, line, correction)


def done(service: Service, mend_id: str) -> MendState:
    return next(mend for mend in service.mends() if mend.mend_id == mend_id).state


def terms(service: Service) -> dict[str, int]:
    names = (
        "bronze",
        "corrections",
        "silver",
        "superseded",
        "quarantined",
        "discarded",
        "withdrawn",
        "pending",
    )
    total = next(a for a in service.accounts().row_totals if a.source == "erp_sales")
    assert total.closes
    assert all(account.closes for account in service.accounts().row_batches)
    assert all(account.closes for account in service.accounts().money_batches)
    return {name: getattr(total, name) for name in names if getattr(total, name)}


def sales(service: Service) -> set[int]:
    return {row[0] for row in service.select("select sales_id from silver.sales_clean").rows}


def test_a_mended_row_reaches_silver_and_supersedes_the_one_it_mends(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        assert terms(service) == {"bronze": 7, "silver": 4, "quarantined": 3}
        edit = Edit(place_of(service, 2), (("quantity", "3"),))
        assert [p.outcome for p in service.preview("erp_sales", [edit])] == ["current"]
        asked = service.replay_edits("erp_sales", [edit], by="ada", note="typing error")
        ended = service.work(asked.run_id)
        assert ended.state is RunState.SUCCEEDED, ended.error
        assert done(service, asked.mend_id) is MendState.APPLIED
        assert terms(service) == {
            "bronze": 7, "corrections": 1, "silver": 5, "superseded": 1, "quarantined": 2,
        }  # fmt: skip
        row = service.select(
            "select quantity, _row_number, _correction from silver.sales_clean where sales_id = 5"
        )
        assert row.rows == ((3, 2, 1),)


def test_a_correction_that_still_breaks_a_rule_goes_back_and_can_be_mended_again(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        first = Edit(place_of(service, 5), (("quantity", "2"),))
        preview = service.preview("erp_sales", [first])[0]
        assert preview.outcome == "quarantined"
        assert preview.broken == ("sale_amount is not a number with at most 2 decimals",)
        service.work(service.replay_edits("erp_sales", [first]).run_id)
        assert terms(service) == {
            "bronze": 7,
            "corrections": 1,
            "silver": 4,
            "superseded": 1,
            "quarantined": 3,
        }
        with pytest.raises(UsageError, match="corrected meanwhile"):
            service.replay_edits("erp_sales", [first])
        second = Edit(place_of(service, 5, 1), (("sale_amount", "12.34"),))
        service.work(service.replay_edits("erp_sales", [second]).run_id)
        assert terms(service) == {
            "bronze": 7,
            "corrections": 2,
            "silver": 5,
            "superseded": 2,
            "quarantined": 2,
        }
        row = service.select(
            "select quantity, sale_amount::varchar from silver.sales_clean where sales_id = 8"
        )
        assert row.rows == ((2, "12.34"),)


def test_an_unreadable_line_is_mended_as_text_and_stays_in_its_account(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        place = place_of(service, 4)
        lines = service.aside("erp_sales", Aside.UNREADABLE)
        assert [(row.place, row.raw) for row in lines.rows] == [(place, "7,12,1,1,2026-03-03")]
        short = service.preview("erp_sales", [Edit(place, raw="7,12,1,1,2026-03-03")])[0]
        assert short.outcome == "refused"
        assert "5 fields" in short.fault
        asked = service.replay_edits("erp_sales", [Edit(place, raw="7,12,1,1,2026-03-03,9.00")])
        service.work(asked.run_id)
        assert terms(service) == {"bronze": 7, "corrections": 1, "silver": 5, "quarantined": 3}
        assert 7 in sales(service)
        assert service.aside("erp_sales", Aside.UNREADABLE).rows[0].corrected


def test_an_orphan_is_taken_up_when_its_parent_arrives(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        assert 6 not in sales(service)
        land(settings, "crm/crm_customers_9.csv", CUSTOMERS + "9,Di,di@example.com,EAST\n")
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        assert 6 in sales(service)
        assert terms(service) == {"bronze": 7, "silver": 5, "quarantined": 2}


def test_a_discard_is_a_mark_with_a_reason_that_can_be_taken_back(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        places = [place_of(service, 2), place_of(service, 5)]
        with pytest.raises(UsageError, match="reason"):
            service.discard("erp_sales", places, " ")
        service.work(service.discard("erp_sales", places, "test rows", by="bo").run_id)
        assert terms(service) == {"bronze": 7, "silver": 4, "quarantined": 1, "discarded": 2}
        shown = service.aside("erp_sales", Aside.DISCARDED)
        assert [(row.place, row.note, row.author) for row in shown.rows] == [
            (p, "test rows", "bo") for p in places
        ]
        service.work(service.restore("erp_sales", places[:1]).run_id)
        assert terms(service) == {"bronze": 7, "silver": 4, "quarantined": 2, "discarded": 1}


def test_an_unreadable_line_can_be_discarded_and_restored(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        place = place_of(service, 4)
        service.work(service.discard("erp_sales", [place], "noise", unreadable=True).run_id)
        assert service.aside("erp_sales", Aside.UNREADABLE).rows[0].state is Aside.DISCARDED
        with pytest.raises(UsageError):
            service.replay_edits("erp_sales", [Edit(place, raw="7,12,1,1,2026-03-03,9.00")])
        service.work(service.restore("erp_sales", [place], unreadable=True).run_id)
        assert service.aside("erp_sales", Aside.UNREADABLE).rows[0].state is Aside.UNREADABLE


def test_a_withdrawn_batch_leaves_silver_and_comes_back_with_what_was_mended(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        service.work(
            service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("quantity", "3"),))]).run_id
        )
        batch = place_of(service, 2).batch_id
        before = terms(service)
        service.work(service.withdraw_batch(batch[:6], "the wrong file").run_id)
        assert sales(service) == {1, 2, 3, 4}
        assert terms(service) == {"bronze": 7, "corrections": 1, "silver": 4, "withdrawn": 4}
        with pytest.raises(UsageError, match="withdrawn"):
            service.replay_edits("erp_sales", [Edit(place_of(service, 3), (("customer_id", "1"),))])
        service.work(service.reinstate_batch(batch).run_id)
        assert terms(service) == before


def test_withdrawing_the_parents_puts_their_children_into_quarantine(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        batch = service.batches("crm_customers")[0].batch_id
        service.work(service.withdraw_batch(batch, "the wrong file").run_id)
        assert sales(service) == set()
        assert terms(service) == {"bronze": 7, "quarantined": 7}
        service.work(service.reinstate_batch(batch).run_id)
        assert sales(service) == {1, 2, 3, 4}


def test_a_batch_is_read_again_under_todays_contract(settings: Settings) -> None:
    land(
        settings,
        "crm/crm_customers_2.csv",
        "customer_id,customer_name,mail,region\n8,Ed,ed@example.com,WEST\n",
    )
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    wanted = "select email from silver.customers_clean where customer_id = 8"
    with opened(settings) as service:
        run(service)
        assert service.select(wanted).rows == ((None,),)
        batch = next(b for b in service.batches("crm_customers") if b.path.endswith("_2.csv"))
        text = contract.read_text(encoding="utf-8")
        plain = "- {property: case, value: lower}"
        assert text.count(plain) == 1
        aliased = plain + "\n          - {property: aliases, value: [mail]}"
        contract.write_text(text.replace(plain, aliased), encoding="utf-8")
        run(service)
        assert service.select(wanted).rows == ((None,),)  # files that have landed stay as they were read
        asked = service.replay_batch(batch.batch_id)
        ended = service.work(asked.run_id)
        assert ended.state is RunState.SUCCEEDED, ended.error
        assert done(service, asked.mend_id) is MendState.APPLIED, service.mends()[0].message
        assert service.select(wanted).rows == (("ed@example.com",),)
        assert terms(service)


def test_a_file_that_changed_since_cannot_be_replayed_and_says_so(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        land(settings, "erp/erp_sales_bad.csv", BAD + "9,12,1,1,2026-03-05,3.00\n")
        asked = service.replay_batch(place_of(service, 2).batch_id)
        service.work(asked.run_id)
        mend = next(m for m in service.mends() if m.mend_id == asked.mend_id)
        assert mend.state is MendState.REFUSED
        assert "other bytes lie there now" in mend.message


def test_an_exported_row_is_edited_in_a_spreadsheet_and_read_back(settings: Settings) -> None:
    land(settings, "erp/erp_sales_more.csv", SALES + "=1+1,12,1,0,2026-03-05,3.00\n")
    with opened(settings) as service:
        run(service)
        text = service.export_aside("erp_sales")
        assert "'=1+1" in text
        assert service.read_edits("erp_sales", text) == ()
        edits = service.read_edits("erp_sales", text.replace("'=1+1,12,1,0", "10,12,1,1"))
        assert [dict(edit.values) for edit in edits] == [{"sales_id": "10", "quantity": "1"}]
        service.work(service.replay_edits("erp_sales", edits).run_id)
        assert 10 in sales(service)


def test_the_same_request_taken_up_twice_mends_once(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        asked = service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("quantity", "3"),))])
        service.work(asked.run_id)
        # As if the process had ended between the warehouse and the ledger.
        service._ledger.finish_mend(asked.mend_id, MendState.WAITING, "", asked.run_id)
        run(service)
        assert done(service, asked.mend_id) is MendState.APPLIED
        assert terms(service) == {
            "bronze": 7, "corrections": 1, "silver": 5, "superseded": 1, "quarantined": 2,
        }  # fmt: skip


def test_what_incremental_runs_made_equals_a_full_rebuild(settings: Settings) -> None:
    tables = (
        "silver.sales_clean", "silver._superseded_sales_clean", "quarantine.erp_sales", "quarantine._aside_erp_sales",
        "silver.customers_clean", "gold.customer_analytics", "gold.product_analytics", "gold.monthly_revenue",
    )  # fmt: skip

    def contents(service: Service) -> dict[str, list[object]]:
        return {t: sorted(service.select(f"select * from {t}").rows, key=repr) for t in tables}

    with opened(settings) as service:
        run(service)
        land(
            settings, "erp/erp_sales_3.csv", SALES + "1,10,2,5,2026-04-01,50.00\n11,10,9,1,2026-04-01,1.00\n"
        )
        run(service)
        service.work(
            service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("sales_id", "1"),))]).run_id
        )
        service.work(
            service.replay_edits("erp_sales", [Edit(place_of(service, 3), (("customer_id", "1"),))]).run_id
        )
        service.work(service.discard("erp_sales", [place_of(service, 5)], "noise").run_id)
        land(settings, "crm/crm_customers_9.csv", CUSTOMERS + "9,Di,di@example.com,EAST\n1,Ada,x,NORTH\n")
        ended = run(service)
        modes = {task.table: task.message for task in ended.tasks if task.layer == "silver"}
        assert "judged" in modes["silver.sales_clean"]
        merged = contents(service)
        run(service, full=True)
        assert contents(service) == merged
        terms(service)


def test_explain_tells_who_mended_a_row_and_what_became_of_each_version(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        edit = Edit(place_of(service, 2), (("quantity", "3"),))
        service.work(service.replay_edits("erp_sales", [edit], by="ada", note="typing error").run_id)
        service.work(service.discard("erp_sales", [place_of(service, 5)], "a test", by="bo").run_id)
        way = service.explain("silver.sales_clean", "5")
        assert way.found
        headings = [heading for heading, _ in way.steps]
        assert headings == ["File", "Bronze", "Superseded", "Correction", "Silver"]
        assert "made by ada" in way.steps[3][1]
        assert "typing error" in way.steps[3][1]
        assert "3" in way.raw
        gone = service.explain("silver.sales_clean", "8")
        assert not gone.found
        assert gone.steps[-1] == ("Discarded", "Set aside by bo: a test.")
        service.work(service.withdraw_batch(place_of(service, 2).batch_id, "the wrong file", by="cy").run_id)
        taken = service.explain("silver.sales_clean", "5")
        assert taken.steps[-1] == ("Withdrawn", "Its batch was taken back by cy: the wrong file.")


def test_a_line_of_another_source_cannot_be_mended_into_this_one(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        values = (("customer_id", "99"), ("customer_name", "x"), ("region", "WEST"))
        with pytest.raises(UsageError, match="neither in quarantine nor unreadable"):
            service.replay_edits("crm_customers", [Edit(place_of(service, 4), values)])


def test_a_row_that_names_no_batch_of_its_source_is_not_published(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        stray = place_of(service, 4).batch_id
        sql = service.engine.tools.compiled
        for place, one in list(sql.items()):
            if "customer_name" in one.newest:
                batch = f"case when customer_id = 7 then '{stray}' else _batch_id end as _batch_id"
                listed = f"{', '.join(COLUMNS[CRM])}, {batch}, _row_number, _correction"
                sql[place] = replace(one, newest=f"select {listed} from ({one.newest}) as found")
        land(settings, "crm/crm_customers_7.csv", CUSTOMERS + "7,Di,di@example.com,EAST\n")
        ended = run(service)
        assert ended.state is RunState.FAILED
        assert "does not close" in ended.error


def test_a_correction_that_keeps_silver_from_being_published_can_be_mended_again(settings: Settings) -> None:
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    text = contract.read_text(encoding="utf-8")
    contract.write_text(
        text.replace("- name: email\n", "- name: email\n        unique: true\n"), encoding="utf-8"
    )
    land(settings, "crm/crm_customers_4.csv", CUSTOMERS + "4,Di,ada@example.com,\n")
    with opened(settings) as service:
        run(service)
        batch = next(b for b in service.batches("crm_customers") if b.path.endswith("_4.csv")).batch_id
        blocked = service.replay_edits("crm_customers", [Edit(RowPlace(batch, 2), (("region", "WEST"),))])
        assert service.work(blocked.run_id).state is RunState.FAILED
        shown = service.aside("crm_customers")
        assert [(row.place.correction, row.reasons[0]) for row in shown.rows] == [(1, WAITING)]
        mended = Edit(RowPlace(batch, 2, 1), (("email", "di@example.com"),))
        assert (
            service.work(service.replay_edits("crm_customers", [mended]).run_id).state is RunState.SUCCEEDED
        )
        assert service.select("select email from silver.customers_clean where customer_id = 4").rows == (
            ("di@example.com",),
        )


def test_a_row_that_is_discarded_by_now_is_not_corrected(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        service.discard("erp_sales", [place_of(service, 2)], "noise")
        late = service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("quantity", "3"),))])
        service.work(late.run_id)
        assert done(service, late.mend_id) is MendState.REFUSED
        assert terms(service) == {"bronze": 7, "silver": 4, "quarantined": 2, "discarded": 1}


def test_a_correction_keeps_what_the_file_says_in_the_columns_it_does_not_change(settings: Settings) -> None:
    land(settings, "crm/crm_customers_2.csv", "customer_id,customer_name,mail,region\n8,Ed,ed@example.com,\n")
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    with opened(settings) as service:
        run(service)
        batch = next(b for b in service.batches("crm_customers") if b.path.endswith("_2.csv")).batch_id
        mended = Edit(RowPlace(batch, 2), (("region", "WEST"),))
        service.work(service.replay_edits("crm_customers", [mended]).run_id)
        text, plain = contract.read_text(encoding="utf-8"), "- {property: case, value: lower}"
        aliased = plain + "\n          - {property: aliases, value: [mail]}"
        contract.write_text(text.replace(plain, aliased), encoding="utf-8")
        service.work(service.replay_batch(batch).run_id)
        found = service.select("select email, region from silver.customers_clean where customer_id = 8")
        assert found.rows == (("ed@example.com", "WEST"),)


def test_a_feed_that_stops_at_bronze_has_nothing_to_correct_or_withdraw(settings: Settings) -> None:
    land(settings, "crm/customers_test.csv", CUSTOMERS + "1,Ada\n")
    with opened(settings) as service:
        run(service)
        batch = next(b for b in service.batches("customers_test")).batch_id
        edit = Edit(RowPlace(batch, 2), raw="1,Ada,,WEST")
        assert service.preview("customers_test", [edit])[0].outcome == "refused"
        with pytest.raises(UsageError, match="nothing is built from it"):
            service.replay_edits("customers_test", [edit])
        with pytest.raises(UsageError, match="nothing is built from it"):
            service.withdraw_batch(batch, "wrong")
        service.work(service.discard("customers_test", [RowPlace(batch, 2)], "noise", unreadable=True).run_id)
        assert service.aside("customers_test", Aside.UNREADABLE).rows[0].state is Aside.DISCARDED


def test_a_column_that_the_contract_gained_is_blank_until_silver_is_built_again(settings: Settings) -> None:
    contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
    with opened(settings) as service:
        run(service)
        text = contract.read_text(encoding="utf-8")
        added = "      - name: note\n        logicalType: string\n      - name: sale_amount"
        contract.write_text(text.replace("      - name: sale_amount", added), encoding="utf-8")
        service.plan()  # the contract is read again
        shown = service.aside("erp_sales")
        assert dict(shown.rows[0].values)["note"] is None
        asked = service.replay_edits(
            "erp_sales", [Edit(place_of(service, 2), (("quantity", "3"), ("note", "x")))]
        )
        assert service.work(asked.run_id).state is RunState.SUCCEEDED
        assert service.select("select note from silver.sales_clean where sales_id = 5").rows == (("x",),)
        terms(service)


def test_a_new_file_is_accounted_for_while_a_batch_read_again_waits_for_its_silver(
    settings: Settings,
) -> None:
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    with opened(settings) as service:
        run(service)
        batch = service.batches("crm_customers")[0].batch_id
        text = contract.read_text(encoding="utf-8")
        contract.write_text(
            text.replace("- name: email\n", "- name: email\n        unique: true\n"), encoding="utf-8"
        )
        land(settings, "crm/crm_customers_4.csv", CUSTOMERS + "4,Di,ada@example.com,WEST\n")
        assert service.work(service.replay_batch(batch).run_id).state is RunState.FAILED
        drawn = {a.batch_id: a for a in service.accounts().row_batches if a.source == "crm_customers"}
        assert [(a.bronze, a.silver, a.pending) for a in drawn.values()] == [(3, 3, 0), (1, 0, 1)]
        assert all(account.closes for account in drawn.values())


@pytest.mark.parametrize(
    ("values", "raw", "told"),
    [
        ((), None, "nothing is changed"),
        ((("quantity", "1\0"),), None, "no text"),
        ((("quantity", "\ud800"),), None, "no text"),
        ((("quantity", "1"), ("quantity", "2")), None, "two values"),
        ((("amount", "1"),), None, "no column 'amount'"),
        ((), "5,12,1,1,2026-03-01,5.00", "no unreadable line"),
    ],
)
def test_an_edit_that_cannot_be_meant_is_refused_with_its_fault(
    settings: Settings, values: tuple[tuple[str, str | None], ...], raw: str | None, told: str
) -> None:
    with opened(settings) as service:
        run(service)
        edit = Edit(place_of(service, 2), values, raw)
        assert told in service.preview("erp_sales", [edit])[0].fault
        with pytest.raises(UsageError, match=told):
            service.replay_edits("erp_sales", [edit])


def test_an_export_comes_back_whole_whatever_its_cells_hold(settings: Settings) -> None:
    long, torn = "x" * 200_000, "a\rb"
    land(
        settings,
        "erp/erp_sales_odd.csv",
        f'{SALES}"{long}",12,1,0,2026-03-05,3.00\n"{torn}",12,1,0,2026-03-05,3.00\n',
    )
    with opened(settings) as service:
        run(service)
        text = service.export_aside("erp_sales")
        assert service.read_edits("erp_sales", text) == ()
        semicolons = "_batch_id;_row_number;quantity\n" + f"{place_of(service, 2).batch_id};2;7\n"
        assert [dict(e.values) for e in service.read_edits("erp_sales", semicolons)] == [{"quantity": "7"}]
        with pytest.raises(UsageError, match="no whole number"):
            service.read_edits("erp_sales", semicolons.replace(";2;", ";²;"))


def test_a_batch_read_again_is_not_corrected_by_what_was_read_before(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        again = service.replay_batch(place_of(service, 2).batch_id)
        late = service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("quantity", "3"),))])
        service.work(late.run_id)
        assert done(service, again.mend_id) is MendState.APPLIED
        assert done(service, late.mend_id) is MendState.REFUSED
        terms(service)


def test_cancelling_the_run_of_a_mend_takes_the_mend_back(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        asked = service.replay_edits("erp_sales", [Edit(place_of(service, 2), (("quantity", "3"),))])
        service.cancel(asked.run_id)
        assert done(service, asked.mend_id) is MendState.REFUSED
        run(service)
        assert terms(service) == {"bronze": 7, "silver": 4, "quarantined": 3}


def test_a_withdrawn_file_that_comes_again_says_how_to_bring_it_back(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        batch = place_of(service, 2).batch_id
        service.work(service.withdraw_batch(batch, "the wrong file").run_id)
        land(settings, "erp/erp_sales_again.csv", BAD)
        ended = run(service)
        told = next(task.message for task in ended.tasks if task.name == "bronze.erp_sales_raw")
        assert f"batch {batch} is withdrawn and stays so until it is reinstated" in told
