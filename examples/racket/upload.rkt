#lang racket/base
;; Uploads a file to a vault.
;;
;; usage: racket upload.rkt VAULT FILE
;;
;; The program uses ffi/unsafe. Keys and region come from the environment.
(require ffi/unsafe)

(define library (ffi-lib "libglacier_mp" "0"))
(define ok 0)
(define continue-upload 1)

(define-cstruct _progress
  ([struct-size _uint64] [bytes-total _uint64] [bytes-done _uint64] [bytes-resumed _uint64]
   [bytes-hashed _uint64] [bytes-sent _uint64] [parts-total _uint64] [parts-done _uint64]
   [parts-in-flight _uint64] [retries _uint64] [workers _uint64] [elapsed-ms _uint64]))
(define _progress-fn (_fun _pointer _progress-pointer -> _int32))

(define-syntax-rule (define-c name type)
  (define name (get-ffi-obj 'name library type)))
(define-c glacier_config_new (_fun -> _pointer))
(define-c glacier_config_free (_fun _pointer -> _void))
(define-c glacier_client_new (_fun _pointer (out : (_ptr o _pointer)) (err : (_ptr o _pointer))
                                   -> (code : _int32) -> (values code err out)))
(define-c glacier_client_free (_fun _pointer -> _void))
(define-c glacier_upload_new (_fun _pointer _string/utf-8 (out : (_ptr o _pointer)) (err : (_ptr o _pointer))
                                   -> (code : _int32) -> (values code err out)))
(define-c glacier_upload_set_source_file (_fun _pointer _path (err : (_ptr o _pointer))
                                               -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_set_progress
  (_fun _pointer _progress-fn (_pointer = #f) (_pointer = #f) (err : (_ptr o _pointer))
        -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_run (_fun _pointer (err : (_ptr o _pointer)) -> (code : _int32) -> (values code err #f)))
(define-c glacier_upload_archive_id (_fun _pointer -> _string/utf-8))
(define-c glacier_upload_free (_fun _pointer -> _void))
(define-c glacier_error_message (_fun _pointer -> _string/utf-8))
(define-c glacier_error_is_resumable (_fun _pointer -> _int32))
(define-c glacier_error_free (_fun _pointer -> _void))
(define-c glacier_result_name (_fun _int32 -> _string/utf-8))

(struct exn:glacier exn:fail (code resumable?))

;; Calls a function. Raises its error, or returns its output.
(define (call function . arguments)
  (define-values (code err out) (apply function arguments))
  (unless (= code ok)
    (define failure
      (exn:glacier (glacier_error_message err) (current-continuation-marks)
                   (glacier_result_name code) (= 1 (glacier_error_is_resumable err))))
    (glacier_error_free err)
    (raise failure))
  out)

;; A module-level variable keeps the callback alive. An exception must not leave it.
(define (on-progress user-data progress)
  (eprintf "~a of ~a bytes\n"
           (+ (progress-bytes-done progress) (progress-bytes-resumed progress))
           (progress-bytes-total progress))
  continue-upload)

(define (upload-file vault file)
  (define config (glacier_config_new))
  (define client #f)
  (define upload #f)
  (dynamic-wind
   void
   (lambda ()
     (set! client (call glacier_client_new config))
     (set! upload (call glacier_upload_new client vault))
     (call glacier_upload_set_source_file upload file)
     (call glacier_upload_set_progress upload on-progress)
     (call glacier_upload_run upload)
     (glacier_upload_archive_id upload))
   (lambda ()
     ;; These functions accept NULL.
     (glacier_upload_free upload)
     (glacier_client_free client)
     (glacier_config_free config))))

(define arguments (current-command-line-arguments))
(unless (= 2 (vector-length arguments))
  (eprintf "usage: racket upload.rkt VAULT FILE\n")
  (exit 2))
(with-handlers ([exn:glacier? (lambda (failure)
                                (eprintf "~a: ~a\n" (exn:glacier-code failure) (exn-message failure))
                                (exit 1))])
  (displayln (upload-file (vector-ref arguments 0) (vector-ref arguments 1))))
