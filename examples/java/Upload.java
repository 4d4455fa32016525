import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.PointerByReference;
import java.util.Map;

/**
 * Uploads a file to a vault.
 *
 * <p>usage: java -cp jna.jar:. Upload VAULT FILE [JOURNAL]
 *
 * <p>The program uses JNA. Keys and region come from the environment.
 */
public final class Upload {
    private static final int OK = 0;
    private static final int STOP = 0;
    private static final int CONTINUE = 1;
    private static final long UNKNOWN = -1; // 2^64 - 1

    /** The functions of the library that this program uses. */
    public interface Glacier extends Library {
        /** Strings of the library are UTF-8. */
        Glacier LIBRARY =
                Native.load("libglacier_mp.so.0", Glacier.class, Map.of(Library.OPTION_STRING_ENCODING, "UTF-8"));

        Pointer glacier_config_new();

        void glacier_config_free(Pointer config);

        int glacier_client_new(Pointer config, PointerByReference out, PointerByReference err);

        void glacier_client_free(Pointer client);

        int glacier_upload_new(Pointer client, String vault, PointerByReference out, PointerByReference err);

        int glacier_upload_set_source_file(Pointer upload, String path, PointerByReference err);

        int glacier_upload_set_journal(Pointer upload, String path, PointerByReference err);

        int glacier_upload_set_progress(
                Pointer upload, ProgressFn callback, Pointer userData, Pointer destroy, PointerByReference err);

        int glacier_upload_run(Pointer upload, PointerByReference err);

        String glacier_upload_archive_id(Pointer upload);

        void glacier_upload_free(Pointer upload);

        int glacier_error_code(Pointer error);

        String glacier_error_message(Pointer error);

        void glacier_error_free(Pointer error);

        String glacier_result_name(int result);
    }

    /** glacier_progress_t. */
    @Structure.FieldOrder({
        "structSize", "bytesTotal", "bytesDone", "bytesResumed", "bytesHashed", "bytesSent",
        "partsTotal", "partsDone", "partsInFlight", "retries", "workers", "elapsedMs"
    })
    public static final class Progress extends Structure {
        public long structSize, bytesTotal, bytesDone, bytesResumed, bytesHashed, bytesSent;
        public long partsTotal, partsDone, partsInFlight, retries, workers, elapsedMs;

        public Progress(Pointer address) {
            super(address);
            read();
        }
    }

    /** glacier_progress_fn. */
    public interface ProgressFn extends Callback {
        int invoke(Pointer userData, Pointer progress);
    }

    /** The error of a function of the library. */
    public static final class GlacierException extends Exception {
        private static final long serialVersionUID = 1;

        public final String code;

        GlacierException(String code, String message) {
            super(message);
            this.code = code;
        }

        /** Copies an error of the library, and frees it. */
        static GlacierException take(Pointer error) {
            Glacier library = Glacier.LIBRARY;
            String code = library.glacier_result_name(library.glacier_error_code(error));
            String message = library.glacier_error_message(error);
            library.glacier_error_free(error);
            return new GlacierException(code, message);
        }
    }

    private static void check(int result, PointerByReference err) throws GlacierException {
        if (result != OK) {
            throw GlacierException.take(err.getValue());
        }
    }

    /** Shows the progress. No throwable leaves the callback: it is stored. */
    private static final class Display implements ProgressFn {
        private Throwable failure;

        @Override
        public int invoke(Pointer userData, Pointer address) {
            try {
                show(new Progress(address));
                return CONTINUE;
            } catch (Throwable thrown) {
                failure = thrown;
                return STOP;
            }
        }

        private static void show(Progress progress) {
            String total = progress.bytesTotal == UNKNOWN ? "" : " of " + Long.toUnsignedString(progress.bytesTotal);
            System.err.println((progress.bytesDone + progress.bytesResumed) + total + " bytes");
        }

        void throwFailure() {
            if (failure != null) {
                throw new IllegalStateException("the progress callback failed", failure);
            }
        }
    }

    private static String upload(String vault, String file, String journal) throws GlacierException {
        Glacier library = Glacier.LIBRARY;
        PointerByReference client = new PointerByReference();
        PointerByReference upload = new PointerByReference();
        PointerByReference err = new PointerByReference();
        // The variable keeps the callback alive.
        Display display = new Display();
        Pointer config = library.glacier_config_new();
        try {
            check(library.glacier_client_new(config, client, err), err);
            check(library.glacier_upload_new(client.getValue(), vault, upload, err), err);
            check(library.glacier_upload_set_source_file(upload.getValue(), file, err), err);
            if (journal != null) {
                check(library.glacier_upload_set_journal(upload.getValue(), journal, err), err);
            }
            check(library.glacier_upload_set_progress(upload.getValue(), display, null, null, err), err);
            try {
                check(library.glacier_upload_run(upload.getValue(), err), err);
            } finally {
                display.throwFailure();
            }
            return library.glacier_upload_archive_id(upload.getValue());
        } finally {
            // These functions accept NULL.
            library.glacier_upload_free(upload.getValue());
            library.glacier_client_free(client.getValue());
            library.glacier_config_free(config);
        }
    }

    public static void main(String[] arguments) {
        if (arguments.length < 2 || arguments.length > 3) {
            System.err.println("usage: java -cp jna.jar:. Upload VAULT FILE [JOURNAL]");
            System.exit(2);
        }
        try {
            System.out.println(upload(arguments[0], arguments[1], arguments.length == 3 ? arguments[2] : null));
        } catch (GlacierException exception) {
            System.err.println(exception.code + ": " + exception.getMessage());
            System.exit(1);
        }
    }

    private Upload() {}
}
