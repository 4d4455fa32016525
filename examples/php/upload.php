<?php
/**
 * Uploads a file to a vault.
 *
 * usage: php upload.php VAULT FILE [JOURNAL]
 *
 * The program uses the extension FFI. Keys and region come from the environment.
 */
declare(strict_types=1);

const STOP_UPLOAD = 0;
const CONTINUE_UPLOAD = 1;
const UNKNOWN = -1; // 2^64 - 1

/** The error of a function of the library. */
final class GlacierException extends Exception
{
    public function __construct(public readonly string $result, string $message)
    {
        parent::__construct($message);
    }
}

final class Glacier
{
    private const DECLARATIONS = <<<'C'
        typedef struct glacier_config_t glacier_config_t;
        typedef struct glacier_client_t glacier_client_t;
        typedef struct glacier_upload_t glacier_upload_t;
        typedef struct glacier_error_t glacier_error_t;
        typedef struct {
            uint64_t struct_size, bytes_total, bytes_done, bytes_resumed, bytes_hashed, bytes_sent;
            uint64_t parts_total, parts_done, parts_in_flight, retries, workers, elapsed_ms;
        } glacier_progress_t;
        typedef int32_t (*glacier_progress_fn)(void *user_data, const glacier_progress_t *progress);
        glacier_config_t *glacier_config_new(void);
        void glacier_config_free(glacier_config_t *config);
        int32_t glacier_client_new(const glacier_config_t *config, glacier_client_t **out, glacier_error_t **err);
        void glacier_client_free(glacier_client_t *client);
        int32_t glacier_upload_new(glacier_client_t *client, const char *vault, glacier_upload_t **out, glacier_error_t **err);
        int32_t glacier_upload_set_source_file(glacier_upload_t *upload, const char *path, glacier_error_t **err);
        int32_t glacier_upload_set_journal(glacier_upload_t *upload, const char *path, glacier_error_t **err);
        int32_t glacier_upload_set_progress(glacier_upload_t *upload, glacier_progress_fn callback, void *user_data,
                                            void *destroy, glacier_error_t **err);
        int32_t glacier_upload_run(glacier_upload_t *upload, glacier_error_t **err);
        const char *glacier_upload_archive_id(const glacier_upload_t *upload);
        void glacier_upload_free(glacier_upload_t *upload);
        int32_t glacier_error_code(const glacier_error_t *error);
        const char *glacier_error_message(const glacier_error_t *error);
        void glacier_error_free(glacier_error_t *error);
        const char *glacier_result_name(int32_t result);
        C;

    private FFI $library;

    public function __construct()
    {
        $this->library = FFI::cdef(self::DECLARATIONS, 'libglacier_mp.so.0');
    }

    /** Uploads a file, and returns the archive ID. */
    public function upload(string $vault, string $file, ?string $journal = null): string
    {
        $library = $this->library;
        $config = $library->glacier_config_new();
        $client = $library->new('glacier_client_t *');
        $upload = $library->new('glacier_upload_t *');
        // An exception that leaves the callback ends the process.
        $failure = null;
        $onProgress = function ($userData, $progress) use (&$failure): int {
            try {
                self::show($progress);
                return CONTINUE_UPLOAD;
            } catch (Throwable $raised) {
                $failure = $raised;
                return STOP_UPLOAD;
            }
        };
        try {
            $this->call('glacier_client_new', $config, FFI::addr($client));
            $this->call('glacier_upload_new', $client, $vault, FFI::addr($upload));
            $this->call('glacier_upload_set_source_file', $upload, $file);
            if ($journal !== null) {
                $this->call('glacier_upload_set_journal', $upload, $journal);
            }
            $this->call('glacier_upload_set_progress', $upload, $onProgress, null, null);
            try {
                $this->call('glacier_upload_run', $upload);
            } finally {
                if ($failure !== null) {
                    throw $failure;
                }
            }
            return $library->glacier_upload_archive_id($upload);
        } finally {
            // These functions accept NULL.
            $library->glacier_upload_free($upload);
            $library->glacier_client_free($client);
            $library->glacier_config_free($config);
        }
    }

    private static function show(FFI\CData $progress): void
    {
        $total = $progress->bytes_total === UNKNOWN ? '' : " of $progress->bytes_total";
        // The operator @ hides the warning if standard error cannot be written.
        @fwrite(STDERR, $progress->bytes_done + $progress->bytes_resumed . "$total bytes\n");
    }

    /** Calls a function whose last parameter is the error. */
    private function call(string $function, mixed ...$arguments): void
    {
        $library = $this->library;
        $err = $library->new('glacier_error_t *');
        $result = $library->$function(...[...$arguments, FFI::addr($err)]);
        if ($result !== 0) {
            $name = $library->glacier_result_name($result);
            $message = $library->glacier_error_message($err);
            $library->glacier_error_free($err);
            throw new GlacierException($name, $message);
        }
    }
}

if ($argc < 3 || $argc > 4) {
    fwrite(STDERR, "usage: php upload.php VAULT FILE [JOURNAL]\n");
    exit(2);
}
try {
    echo (new Glacier())->upload(...array_slice($argv, 1)), "\n";
} catch (GlacierException $exception) {
    fwrite(STDERR, "{$exception->result}: {$exception->getMessage()}\n");
    exit(1);
}
