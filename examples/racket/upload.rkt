#lang racket/base
;; Uploads a file to a vault.
;;
;; usage: racket upload.rkt VAULT FILE [JOURNAL]
;;
;; The program uses ffi/unsafe. Keys and region come from the environment.
(require ffi/unsafe)

(define library (ffi-lib "libglacier_mp" "0"))
(define ok 0)
(define stop-upload 0)
(define continue-upload 1)
(define unknown (sub1 (expt 2 64)))
(define sigint 2)

(define-cstruct _progress
  ([struct-size _uint64] [bytes-total _uint64] [bytes-done _uint64] [bytes-resumed _uint64]
   [bytes-hashed _uint64] [bytes-sent _uint64] [parts-total _uint64] [parts-done _uint64]
   [parts-in-flight _uint64] [retries _uint64] [workers _uint64] [elapsed-ms _uint64]))
(define _progress-fn (_fun _pointer _progress-pointer -> _int32))

;; The address of an output. The library writes to it after callbacks ran, so the collector must not move it.
(define-fun-syntax _out
  (syntax-id-rules () [_ (_ptr o _pointer atomic-interior)]))

(define-syntax-rule (define-c name type)
  (define name (get-ffi-obj 'name library type)))
(define-c glacier_config_new (_fun -> _pointer))
(define-c glacier_config_free (_fun _pointer -> _void))
(define-c glacier_client_new (_fun _pointer (out : _out) (err : _out)
                                   -> (code : _int32) -> (values code err out)))
(define-c glacier_client_free (_fun _pointer -> _void))
(define-c glacier_upload_new (_fun _pointer _string/utf-8 (out : _out) (err : _out)
                                   -> (code : _int32) -> (values code err out)))
(define-c glacier_upload_set_source_file (_fun _pointer _path (err : _out)
                                               -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_set_journal (_fun _pointer _path (err : _out) -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_set_progress
  (_fun _pointer _progress-fn (_pointer = #f) (_pointer = #f) (err : _out)
        -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_run (_fun _pointer (err : _out) -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_archive_id (_fun _pointer -> _string/utf-8))
(define-c glacier_upload_free (_fun _pointer -> _void))
(define-c glacier_error_message (_fun _pointer -> _string/utf-8))
(define-c glacier_error_free (_fun _pointer -> _void))
(define-c glacier_result_name (_fun _int32 -> _string/utf-8))

(struct exn:glacier exn:fail (code))

;; Calls a function. Raises its error, or returns its output.
(define (call function . arguments)
  (define-values (code err out) (apply function arguments))
  (unless (= code ok)
    (define failure
      (exn:glacier (glacier_error_message err) (current-continuation-marks)
                   (glacier_result_name code)))
    (glacier_error_free err)
    (raise failure))
  out)

;; Racket runs callbacks in atomic mode: they must not block. A line that standard error cannot take is dropped.
(define (show progress)
  (define total (progress-bytes-total progress))
  (define line (format "~a~a bytes\n"
                       (+ (progress-bytes-done progress) (progress-bytes-resumed progress))
                       (if (= total unknown) "" (format " of ~a" total))))
  (with-handlers ([exn:fail? void])
    (write-bytes-avail* (string->bytes/utf-8 line) (current-error-port))))

;; A module-level variable keeps the callback alive. An exception must not leave it.
(define failure #f)
(define (on-progress user-data progress)
  (with-handlers ([void (lambda (raised) (set! failure raised) stop-upload)])
    (show progress)
    continue-upload))

(define (upload-file vault file [journal #f])
  (define config (glacier_config_new))
  (define client #f)
  (define upload #f)
  (dynamic-wind
   void
   (lambda ()
     (set! client (call glacier_client_new config))
     (set! upload (call glacier_upload_new client vault))
     (call glacier_upload_set_source_file upload file)
     (when journal
       (call glacier_upload_set_journal upload journal))
     (call glacier_upload_set_progress upload on-progress)
     (dynamic-wind
      void
      (lambda () (call glacier_upload_run upload))
      (lambda () (when failure (raise failure))))
     (glacier_upload_archive_id upload))
   (lambda ()
     ;; These functions accept NULL.
     (glacier_upload_free upload)
     (glacier_client_free client)
     (glacier_config_free config))))

(define arguments (current-command-line-arguments))
(unless (<= 2 (vector-length arguments) 3)
  (eprintf "usage: racket upload.rkt VAULT FILE [JOURNAL]\n")
  (exit 2))
;; Racket handles Ctrl-C only after the call. With the default action, Ctrl-C ends the program.
(void ((get-ffi-obj "signal" #f (_fun _int _pointer -> _pointer)) sigint #f))
(with-handlers ([exn:glacier? (lambda (failure)
                                (eprintf "~a: ~a\n" (exn:glacier-code failure) (exn-message failure))
                                (exit 1))])
  (displayln (apply upload-file (vector->list arguments))))
