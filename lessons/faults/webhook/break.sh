# shellcheck shell=sh
answers kubectl get --raw=/readyz
kubectl apply -f - >/dev/null <<'END'
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policy.example.com}
webhooks:
  - name: pods.policy.example.com
    clientConfig: {service: {namespace: policy, name: judge, port: 443}}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
    namespaceSelector: {matchExpressions: [{key: policy.example.com/free, operator: DoesNotExist}]}
    failurePolicy: Fail
    sideEffects: None
    timeoutSeconds: 2
    admissionReviewVersions: [v1]
END
