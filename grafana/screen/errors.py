"""What can go wrong for a reader of the screen, each with one sentence in both languages."""

from __future__ import annotations

from typing import Any


class ScreenError(Exception):
    """A refusal or failure that the page shows as it is. `code` is for machines."""

    status = 400

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "zh": self.zh, "en": self.en}


class BadRequestError(ScreenError):
    """The request asks for something that does not exist or may not be asked."""


class NotFoundError(ScreenError):
    status = 404


class AwayError(ScreenError):
    """ClickHouse cannot be reached: every figure is unknown until it can."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "clickhouse_away",
            "连不上 ClickHouse：各项数值未知（不是零）。恢复后本页会自动继续。",
            "ClickHouse cannot be reached: figures are unknown (not zero). "
            "This page carries on by itself once it is back.",
        )


class QueryError(ScreenError):
    """ClickHouse answered, but not with figures."""

    status = 502


def too_slow(seconds: int) -> QueryError:
    return QueryError(
        "too_slow",
        f"查询超过 {seconds} 秒，已停止；请缩短时段。",
        f"The query took over {seconds} s and was stopped; choose a shorter range.",
    )


def too_many_rows(limit: int) -> QueryError:
    return QueryError(
        "too_many_rows",
        f"结果超过 {limit} 行；请缩短时段或加筛选。",
        f"The result has over {limit} rows; choose a shorter range or a filter.",
    )


def refused(code: int) -> QueryError:
    return QueryError(
        "query_failed",
        f"ClickHouse 拒绝了这个查询（错误码 {code}）。",
        f"ClickHouse refused the query (error code {code}).",
    )


def not_ready() -> QueryError:
    return QueryError(
        "not_ready",
        "ClickHouse 里还没有建表；数据管道启动后会自动建立。",
        "The tables do not exist yet in ClickHouse; they are made when the pipeline starts.",
    )


def no_access(code: int) -> QueryError:
    return QueryError(
        "no_access",
        f"ClickHouse 不接受所配置的用户（错误码 {code}）；"
        "请检查 LIVEWATCH_CLICKHOUSE_USER 和密码文件。",
        f"ClickHouse does not accept the configured user (error code {code}); "
        "check LIVEWATCH_CLICKHOUSE_USER and the password file.",
    )


def not_logged_in() -> BadRequestError:
    return BadRequestError("not_logged_in", "请先登录。", "Log in first.")


def not_recorded() -> QueryError:
    return QueryError(
        "not_recorded",
        "无法记录本次访问，因此不显示；请稍后再试。",
        "This access cannot be put on record, so nothing is shown; try again.",
    )


def prometheus_away() -> QueryError:
    return QueryError(
        "prometheus_away",
        "Prometheus 或工作进程没有回答。",
        "Neither Prometheus nor the workers answer.",
    )


def no_prometheus() -> QueryError:
    return QueryError(
        "no_prometheus",
        "没有可用的 Prometheus，也没有可直接读取的工作进程。",
        "There is no Prometheus to ask, and no worker to read directly.",
    )
