"""What a statement may use: the lists that stand between a caller and the host's files and network.

The embedded engine has no access control and its functions read any file of the host, so names are let in, not
kept out: a new engine version adds refused names only.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TABLE_FUNCTIONS = _words("numbers numbers_mt zeros zeros_mt generateseries generate_series values view null")
"""Table functions (lower case) that touch neither files, network nor other databases."""

SCALAR_FUNCTIONS_REFUSED = _words("catboostevaluate reversednsquery disk")
"""Functions that reach files or the network without being table functions; ai* is refused by its prefix."""

ENGINES = frozenset(
    prefix + name
    for prefix in ("", "replicated")
    for name in ("mergetree", "replacingmergetree", "summingmergetree", "aggregatingmergetree")
) | {"memory", "null", "distributed", "materializedview", "atomic"}
"""Table and database engines (lower case) that a CREATE may name."""

FORMATS = _words("""
    Native RowBinary ArrowStream Arrow Parquet Values Null Vertical Pretty PrettyCompact
    JSON JSONCompact JSONEachRow JSONCompactEachRow CSV CSVWithNames TSV TSVWithNames TSVRaw
    TabSeparated TabSeparatedWithNames TabSeparatedWithNamesAndTypes TabSeparatedRaw
""")
"""Formats of data and results. The engine's binding knows others that make Python objects, or read templates."""

QUERY_SETTINGS = _words("""
    max_execution_time max_result_rows max_result_bytes result_overflow_mode max_rows_to_read max_bytes_to_read
    read_overflow_mode timeout_overflow_mode max_threads max_block_size max_memory_usage readonly limit offset
    max_bytes_before_external_group_by max_bytes_before_external_sort max_query_size max_ast_elements
    insert_deduplication_token insert_deduplicate deduplicate_blocks_in_dependent_materialized_views
    max_partitions_per_insert_block max_insert_block_size max_insert_threads optimize_read_in_order
    use_query_condition_cache use_skip_indexes enable_lightweight_delete mutations_sync alter_sync
    max_recursive_cte_evaluation_depth session_timezone date_time_input_format date_time_output_format
    output_format_native_use_flattened_dynamic_and_json_serialization output_format_json_quote_64bit_integers
    output_format_arrow_string_as_string output_format_arrow_compression_method
    output_format_arrow_low_cardinality_as_dictionary max_estimated_execution_time
    cast_string_to_dynamic_use_inference
    max_expanded_ast_elements query_plan_max_limit_for_lazy_materialization
    max_partition_size_to_drop
    input_format_null_as_default optimize_move_to_prewhere query_plan_optimize_lazy_materialization
    """)
"""Settings a caller may give with a query (by address or in a SETTINGS clause)."""

TABLE_SETTINGS = _words("""
    min_bytes_for_wide_part min_rows_for_wide_part fsync_after_insert fsync_part_directory index_granularity
    non_replicated_deduplication_window replicated_deduplication_window
    replicated_deduplication_window_seconds ttl_only_drop_parts
    merge_selector_base share_nested_offsets string_serialization_version auto_statistics_types
    index_granularity_bytes parts_to_throw_insert parts_to_delay_insert max_parts_in_total
    """)
"""Settings a table may be made or altered with."""

TRANSPORT_PARAMETERS = _words("""
    query database default_format query_id session_id session_timeout session_check quota_key user password
    compress decompress wait_end_of_query buffer_size client_protocol_version send_progress_in_http_headers
    http_headers_progress_interval_ms enable_http_compression cancel_http_readonly_queries_on_client_close role
    add_http_cors_header log_queries
    """)
"""Parameters of the HTTP interface itself: understood or harmless to ignore, never passed to the engine."""
